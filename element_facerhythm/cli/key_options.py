"""Options that say which rows are meant, by the columns of their key, whatever pipeline they belong to."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from element_facerhythm.errors import RequestError

SubjectOption = Annotated[
    str | None, typer.Option("--subject", help="Those of a subject: --key subject=ID.")
]
SessionOption = Annotated[
    str | None, typer.Option("--session", help="Those of a session: --key session_id=N.")
]
RecordingOption = Annotated[
    str | None, typer.Option("--recording", help="Those of a recording: --key recording_id=N.")
]
KeyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        metavar="NAME=VALUE",
        help="Column of the key, of any pipeline; once for each column.",
    ),
]


@dataclass(frozen=True)
class KeyTexts:
    """Columns of a key with the text that was typed for each."""

    texts: dict[str, str]

    def key(self, table: Any) -> dict[str, Any]:
        """Restriction of a table, the texts read as its columns' types.

        Raises
        ------
        RequestError
            The table has no such column in its key, or a text is none of its type.
        """
        from element_facerhythm.database.column_values import value_of_text
        from element_facerhythm.linking import active_link

        absent = [name for name in self.texts if name not in table.primary_key]
        if absent:
            raise RequestError(
                f"{type(table).__name__} has no {', '.join(absent)} in its key, which is "
                f"{', '.join(table.primary_key)}: say those columns, as --key {table.primary_key[0]}=VALUE"
            )
        session = active_link().session
        # the type is that of the table that declared the column: below it, MySQL has a number for a bool
        return {
            name: value_of_text(session() if name in session.primary_key else table, name, text)
            for name, text in self.texts.items()
        }


def key_texts(
    subject: str | None = None,
    session: str | None = None,
    recording: str | None = None,
    key: list[str] | None = None,
) -> KeyTexts:
    """Gather the options as texts by column.

    Raises
    ------
    RequestError
        A `--key` is not NAME=VALUE, or gives a column twice.
    """
    given = {"subject": subject, "session_id": session, "recording_id": recording}
    texts = {name: text for name, text in given.items() if text is not None}
    for pair in key or ():
        name, sign, text = pair.partition("=")
        name = name.strip()
        if not sign or not name.isidentifier():
            raise RequestError(
                f"--key is {pair!r}; expected NAME=VALUE with a column of the key, such as subject_id=7"
            )
        if name in texts and texts[name] != text:
            raise RequestError(f"column {name} is given twice: {texts[name]!r} and {text!r}")
        texts[name] = text
    return KeyTexts(texts)


def require_no_directory(chosen: KeyTexts, where: str | None, directory: object) -> None:
    """Refuse options that choose rows where a project directory is given."""
    if directory and (chosen.texts or where is not None):
        raise typer.BadParameter(
            "--subject, --session, --recording, --key and --where are for the database; they do not go with "
            "a directory"
        )


def chosen_recordings(chosen: KeyTexts, where: str | None) -> list[dict[str, Any]]:
    """Keys of the recordings of the configured database that are chosen; all where nothing is.

    Raises
    ------
    RequestError
        The condition is none that the database understands, or a column is none of the key.
    """
    from element_facerhythm.cli.database_access import pipeline_to_read

    pipeline_to_read()
    from element_facerhythm.facial_behavior_estimation import VideoRecording
    from element_facerhythm.facial_behavior_estimation.verification import recordings

    return recordings(where, chosen.key(VideoRecording()))


def key_of_recording(chosen: KeyTexts) -> dict[str, Any]:
    """Key of the recording that was named, once the pipeline is open; number 0 where none was given.

    Raises
    ------
    RequestError
        A column of the key is missing, or a text is none of its type.
    """
    from element_facerhythm.facial_behavior_estimation import VideoRecording

    key = {"recording_id": 0} | chosen.key(VideoRecording())
    missing = [name for name in VideoRecording.primary_key if name not in key]
    if missing:
        raise RequestError(
            f"which recording? The key is {', '.join(VideoRecording.primary_key)}, and "
            f"{', '.join(missing)} is not given: add "
            + " ".join(f"--key {name}=VALUE" for name in missing)
        )
    return key
