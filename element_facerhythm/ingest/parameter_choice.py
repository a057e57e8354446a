"""Parameters of an analysis, as the user chooses them: a file, single values, or a set that is stored."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from element_facerhythm import facial_behavior_estimation as fbe
from element_facerhythm.errors import ParameterError

if TYPE_CHECKING:
    from element_facerhythm.parameters import AnyParameters

_MOST_LISTED = 10


@dataclass(frozen=True)
class ParameterChoice:
    """The user's choice.

    Attributes
    ----------
    file
        Parameter file; None for none.
    set_name
        Description, or number, of a stored set, in place of all else; None for none.
    settings
        Single values over the file, as `SECTION.KEY=VALUE`.
    fitted
        Whether what is not given is fitted to the recording.
    """

    file: Path | None = None
    set_name: str | None = None
    settings: tuple[str, ...] = ()
    fitted: bool = True

    def require_one(self) -> None:
        """Refuse a stored set together with anything else.

        Raises
        ------
        ParameterError
            Both are given.
        """
        if self.set_name is not None and (self.file or self.settings or not self.fitted):
            raise ParameterError(
                f"--paramset {self.set_name} is a stored set of parameters, which is taken as it is: "
                "--params, --set and --preset do not go with it"
            )

    def read_file(self) -> None:
        """Read a file and settings, so that a wrong one is refused before the database is opened.

        Raises
        ------
        ParameterError
            One of them is wrong.
        """
        self.require_one()
        if self.set_name is None:
            self.load()

    def load(self) -> "tuple[AnyParameters, list[str]]":
        """Parameters, and notes on what was read differently from what was typed.

        Raises
        ------
        ParameterError
            The file is wrong, or no set, or several, are stored under the name.
        """
        from element_facerhythm.parameters import read_open_parameters

        self.require_one()
        if self.set_name is not None:
            return stored_parameters(self.set_name)
        loaded = read_open_parameters(self.file, settings=self.settings, fitted=self.fitted)
        unused = [f"not used: {', '.join(loaded.unused)}"] if loaded.unused else []
        return loaded.parameters, [*loaded.notes, *unused]


def stored_parameters(name: str) -> "tuple[AnyParameters, list[str]]":
    """Parameters of a set that is stored, by its description or its number.

    Parameters
    ----------
    name
        The description as it stands in `paramset_description`, or the number.

    Returns
    -------
    The parameters, and a note that says which set it is.

    Raises
    ------
    ParameterError
        No set, or several, are meant; the message lists those that are stored.
    """
    from element_facerhythm.facial_behavior_estimation.param_set import parameters_as_entered

    # compared here, and not by the server, which may take names for one that differ in case
    sets = fbe.FaceRhythmParamSet().proj("paramset_description").to_dicts(order_by="paramset_id")
    named = {int(row["paramset_id"]): str(row["paramset_description"]) for row in sets}
    meant = [
        number for number, text in named.items() if text == name or str(number) == name.strip()
    ]
    if len(meant) != 1:
        listed = [f"{number} ({text})" for number, text in list(named.items())[-_MOST_LISTED:]]
        rest = ["..."] * (len(named) > _MOST_LISTED)
        why = (
            "is stored nowhere"
            if not meant
            else f"may be one of {', '.join(map(str, meant))}; say its number"
        )
        raise ParameterError(
            f"parameter set {name!r} {why}. FaceRhythmParamSet has {', '.join([*rest, *listed]) or 'none'}"
        )
    key = {"paramset_id": meant[0]}
    tree, sha256 = (fbe.FaceRhythmParamSet() & key).fetch1("parameters", "parameter_sha256")
    note = f"parameters are set {meant[0]} ({named[meant[0]]})"
    return parameters_as_entered(meant[0], tree, sha256), [note]
