"""What the user states about files of predictions where the files leave it open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from element_facerhythm.errors import KeypointError
from element_facerhythm.files.plain import plain


@dataclass(frozen=True)
class ReadingOptions:
    """How files of predictions are to be read; what is left out is found in the file.

    Attributes
    ----------
    table
        Key of the table, in a DeepLabCut .h5 with several.
    scorer
        Scorer, in a table with several.
    module, container
        Processing module, and names of the containers of poses, in an NWB file with several. Of
        several containers that are named, each is an individual.
    video
        Number of the video, from 0, in SLEAP labels of several.
    frame_rate_hz
        Frames per second by which the file counts its times, where they fit no other.
    first_frame
        Number that the file gives to the first frame of the video.
    first_time_s
        Time that the file gives to the first frame of the video, seconds.
    rename
        New names of body parts and individuals, by their names in the file.
    """

    table: str | None = None
    scorer: str | None = None
    module: str | None = None
    container: tuple[str, ...] = ()
    video: int | None = None
    frame_rate_hz: float | None = None
    first_frame: int = 0
    first_time_s: float = 0.0
    rename: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take numpy's numbers; refuse values of the wrong kind: a row may come from any source.

        Raises
        ------
        KeypointError
            The message names the option.
        """
        for name in ("video", "frame_rate_hz", "first_frame", "first_time_s"):
            object.__setattr__(self, name, plain(getattr(self, name)))
        sound = {
            "table": _is_name(self.table),
            "scorer": _is_name(self.scorer),
            "module": _is_name(self.module),
            "container": all(map(_is_name, self.container)),
            "video": self.video is None or (_is_whole(self.video) and self.video >= 0),
            "frame_rate_hz": self.frame_rate_hz is None
            or (_is_number(self.frame_rate_hz) and self.frame_rate_hz > 0),
            "first_frame": _is_whole(self.first_frame),
            "first_time_s": _is_number(self.first_time_s),
            "rename": all(isinstance(v, str) and v for pair in self.rename.items() for v in pair),
        }
        wrong = [name for name, is_sound in sound.items() if not is_sound]
        if wrong:
            raise KeypointError(
                f"option {wrong[0]} of reading predictions is {getattr(self, wrong[0])!r}, which is none "
                "of its kind"
            )

    def to_json(self) -> dict[str, Any] | None:
        """Return what is not left out, in values of JSON; None where all is."""
        given = {
            name: value
            for name, value in asdict(_plain(self)).items()
            if value != getattr(_LEFT_OUT, name)
        }
        return {k: list(v) if isinstance(v, tuple) else v for k, v in given.items()} or None

    @classmethod
    def from_json(cls, value: Any) -> ReadingOptions:
        """Read what `to_json` gave.

        Raises
        ------
        KeypointError
            It is something else.
        """
        if value is None:
            return cls()
        known = {option.name for option in fields(cls)}
        if not isinstance(value, Mapping) or not set(value) <= known:
            raise KeypointError(
                f"load_options is {value!r}; expected a mapping of {', '.join(sorted(known))}"
            )
        given = dict(value)
        container = given.get("container", ())
        if not isinstance(container, (list, tuple)) or not isinstance(
            given.get("rename", {}), Mapping
        ):
            raise KeypointError(
                f"load_options is {value!r}; expected container to be a list, rename a mapping"
            )
        return cls(**{**given, "container": tuple(container)})


def _plain(options: ReadingOptions) -> ReadingOptions:
    """Return the same with a mapping that can be copied."""
    return ReadingOptions(
        **{
            **{option.name: getattr(options, option.name) for option in fields(options)},
            "rename": dict(options.rename),
        }
    )


def _is_name(value: Any) -> bool:
    return value is None or (isinstance(value, str) and bool(value))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and float("-inf") < value < float("inf")


_LEFT_OUT = ReadingOptions()
