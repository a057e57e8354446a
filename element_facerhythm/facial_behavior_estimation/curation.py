"""Curation of results: what people decided about components, and what they left out, as rows."""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from datetime import UTC
from typing import TYPE_CHECKING, Any

from element_facerhythm.database.keys import key_text, restriction_of
from element_facerhythm.errors import CurationConflictError, ProjectError, RequestError
from element_facerhythm.facial_behavior_estimation.processing import FaceRhythmProcessing
from element_facerhythm.facial_behavior_estimation.recording import Key, without_zone
from element_facerhythm.facial_behavior_estimation.results import FacialRhythm
from element_facerhythm.facial_behavior_estimation.schema import dj, schema
from element_facerhythm.facial_behavior_estimation.task import FaceRhythmTask

if TYPE_CHECKING:
    from element_facerhythm.curation import Change, CuratedResult, Curation
    from element_facerhythm.curation.history import Entry
    from element_facerhythm.curation.state import Item, StateValue

_ROWS_PER_INSERT = 2000


@schema
class ComponentCuration(dj.Manual):
    """A change that a person made to the curation of a task's results; rows are only ever added.

    It belongs to the task, not to its results: these can be deleted and computed anew, and what people
    decided stays. Every row has the digest of the product that it is about, so that it does not hold for
    components of another fit. What holds now of an item is what its row with the highest revision says;
    `fetch_curation` gives all of it, `FacialRhythm.curated_components` the components with it.
    """

    definition = """
    # Changes of the curation of results, one after the other
    -> FaceRhythmTask
    curation_revision    : int32        # number of the change, from 1
    ---
    curator              : varchar(64)  # who made it
    curated_time         : datetime     # when, UTC
    curated_product      : varchar(32)  # what it is about: 'TCA', or of spans and points 'PointTracker'
    curated_sha256       : char(64)     # digest of that product: it holds for no other one
    curation_kind        : varchar(16)  # 'component', 'merge', 'split', 'span', 'points' or 'undo'
    curation_change      : json         # the change, as in curation.json
    """

    class Component(dj.Part):
        """The components that a change concerned, as it left them."""

        definition = """
        # Components as the change left them
        -> master
        curated_model_key    : varchar(32)  # model_key of its decomposition
        curated_component    : int32        # component_index in that decomposition
        ---
        component_verdict    : varchar(16)  # keep, noise or undecided
        component_name       : varchar(64)  # its name; '': none
        component_note       : varchar(1024) # remark; '': none
        merged_into=null     : int32        # component_index that stands for it; null: it stands for itself
        index (component_verdict)
        """

    class Span(dj.Part):
        """The spans of time that a change left out, or took in again."""

        definition = """
        # Spans of time that the change left out, or took in again
        -> master
        span_number          : int32        # number of the span in the change
        ---
        curated_video        : int32        # video_index of the tracked video
        span_start_s         : float64      # seconds on the clock of the video
        span_end_s           : float64      # seconds on the clock of the video
        span_excluded        : bool         # left out; false: no longer
        """

    class Point(dj.Part):
        """The points that a change left out, or took in again."""

        definition = """
        # Points that the change left out, or took in again
        -> master
        curated_point        : int32        # point_index
        ---
        point_excluded       : bool         # left out; false: no longer
        """

    @classmethod
    def fetch_curation(cls, key: Key) -> "Curation":
        """Return the curation of a task with its whole history.

        Parameters
        ----------
        key
            Primary key of the task, or a part of one that leaves one.

        Raises
        ------
        RequestError
            The key is that of no task or of several.
        ProjectError
            A row is missing, or is none that this package wrote.
        """
        from element_facerhythm.curation import Curation

        task = _one_task(key)
        rows = (cls() & task).to_dicts(order_by="curation_revision")
        try:
            return Curation(tuple(map(_entry_of_row, rows)))
        except RequestError as error:
            raise ProjectError(
                f"the rows of {cls.__name__} {key_text(task)} are no curation ({error}): rows were taken out "
                "or changed since. Restore them from a backup, or delete all of them"
            ) from error

    @classmethod
    def store(cls, key: Key, curation: "Curation", based_on: int) -> None:
        """Enter the further entries of a curation, unless it was changed meanwhile.

        Parameters
        ----------
        key
            As of `fetch_curation`.
        curation
            The curation that was fetched, with further entries.
        based_on
            Revision of the curation that was fetched.

        Raises
        ------
        CurationConflictError
            Somebody else has entered changes since; nothing was entered.
        RequestError
            The key is that of no task or of several.
        """
        from element_facerhythm.curation.history import steps

        task = _one_task(key)
        conflict = CurationConflictError(
            f"the curation of {key_text(task)} was changed since it was read at revision {based_on}. Nothing "
            "was entered: look at it again, and repeat what you decide"
        )
        stored = cls.fetch_curation(task)
        if stored.revision != based_on or not curation.starts_with(stored):
            raise conflict
        in_transaction = cls.connection.in_transaction
        try:
            with nullcontext() if in_transaction else cls.connection.transaction:
                for entry, changed in steps(curation):
                    if entry.revision > based_on:
                        cls._insert_entry(task, entry, changed)
        except dj.errors.DuplicateError as error:  # entered in this moment
            raise conflict from error

    @classmethod
    def change(cls, key: Key, change: "Change", curator: str | None = None) -> "Curation":
        """Enter one change, checked against the results; see `element_facerhythm.curation`.

        Parameters
        ----------
        key
            As of `fetch_curation`.
        change
            Such as `JudgeComponent("0", 3, verdict="keep", name="whisking")`; `Undo` as well.
        curator
            Who makes it; the account of this process where None.

        Returns
        -------
        The curation with it. Where everything is so already, nothing is entered.

        Raises
        ------
        RequestError
            There are no results, or no such component, point or time; nothing was entered.
        CurationConflictError
            Somebody else has entered changes in this moment.
        """
        from element_facerhythm.curation import Undo, append, undo
        from element_facerhythm.files.account import account_name

        task = _one_task(key)
        stored, who = cls.fetch_curation(task), account_name() if curator is None else curator
        if isinstance(change, Undo):
            changed = undo(stored, who, change.revision)
        else:
            changed = append(stored, change, curated_result(task), who)
        cls.store(task, changed, stored.revision)
        return changed

    @classmethod
    def _insert_entry(cls, task: Key, entry: "Entry", changed: "Mapping[Item, StateValue]") -> None:
        from element_facerhythm.curation.changes import kind_of_change, row_of_change

        key = {**task, "curation_revision": entry.revision}
        cls.insert1(
            {
                **key,
                "curator": entry.curator,
                "curated_time": without_zone(entry.time),
                "curated_product": entry.product,
                "curated_sha256": entry.sha256,
                "curation_kind": kind_of_change(entry.change),
                "curation_change": row_of_change(entry.change),
            }
        )
        for part, rows in _part_rows(changed).items():
            if rows:
                table = getattr(cls, part)
                table.insert(({**key, **row} for row in rows), chunk_size=_ROWS_PER_INSERT)


def curated_result(key: Key) -> "CuratedResult":
    """Return what there is to decide about of a task, from the rows of its results.

    Parameters
    ----------
    key
        Primary key of the task, or a part of one that leaves one.

    Raises
    ------
    RequestError
        The key is that of no task or of several, or it has no results yet.
    """
    from element_facerhythm.curation import CuratedResult

    task = _one_task(key)
    if not FacialRhythm() & task:
        raise RequestError(
            f"there are no results of {key_text(task)} to decide about yet; `facerhythm status` shows what "
            "was computed"
        )
    digests = {name: sha256 for name, _, sha256 in FaceRhythmProcessing.product_files(task)}
    models = (FacialRhythm.Decomposition() & task).to_dicts(order_by="model_key")
    videos = (FacialRhythm.Video() & task).proj("video_duration_s")
    return CuratedResult(
        digests,
        {row["model_key"]: int(row["n_components"]) for row in models},
        int((FacialRhythm() & task).fetch1("n_points")),
        tuple(map(float, videos.to_arrays("video_duration_s", order_by="video_index"))),
    )


def _one_task(key: Key) -> Key:
    """Primary key of the task that a key leaves."""
    tasks = (FaceRhythmTask() & restriction_of(FaceRhythmTask, key)).proj().to_dicts(limit=2)
    if len(tasks) != 1:
        which = "several tasks" if tasks else "no task"
        raise RequestError(
            f"{key_text(key)} is the key of {which}; expected one, with "
            f"{', '.join(FaceRhythmTask.primary_key)}"
        )
    return dict(tasks[0])


def _entry_of_row(row: Mapping[str, Any]) -> "Entry":
    from element_facerhythm.curation.file import entry_of_row

    return entry_of_row(
        {
            "revision": int(row["curation_revision"]),
            "curator": row["curator"],
            "time": row["curated_time"].replace(tzinfo=UTC).isoformat(),
            "product": row["curated_product"],
            "sha256": row["curated_sha256"],
            "change": row["curation_change"],
        }
    )


def curation_part_rows(curation: "Curation") -> dict[str, list[dict[str, Any]]]:
    """Rows that the parts of `ComponentCuration` hold of a curation, by the part's name, without the task."""
    from element_facerhythm.curation.history import steps

    found: dict[str, list[dict[str, Any]]] = {"Component": [], "Span": [], "Point": []}
    for entry, changed in steps(curation):
        for name, rows in _part_rows(changed).items():
            found[name] += [{"curation_revision": entry.revision, **row} for row in rows]
    return found


def _part_rows(changed: "Mapping[Item, StateValue]") -> dict[str, list[dict[str, Any]]]:
    """Rows of the parts, by the part's name, without the key of the master."""
    return {
        "Component": list(_component_rows(changed)),
        "Span": list(_span_rows(changed)),
        "Point": list(_point_rows(changed)),
    }


def _component_rows(changed: "Mapping[Item, StateValue]") -> Iterator[dict[str, Any]]:
    from element_facerhythm.curation.state import ComponentItem, ComponentState

    for item, value in changed.items():
        if isinstance(item, ComponentItem) and isinstance(value, ComponentState):
            yield {
                "curated_model_key": item.model_key,
                "curated_component": item.component_index,
                "component_verdict": value.verdict,
                "component_name": value.name,
                "component_note": value.note,
                "merged_into": value.merged_into,
            }


def _span_rows(changed: "Mapping[Item, StateValue]") -> Iterator[dict[str, Any]]:
    from element_facerhythm.curation.state import SpanItem

    spans = [(item, value) for item, value in changed.items() if isinstance(item, SpanItem)]
    for number, (item, value) in enumerate(spans):
        yield {
            "span_number": number,
            "curated_video": item.video_index,
            "span_start_s": item.start_s,
            "span_end_s": item.end_s,
            "span_excluded": bool(value),
        }


def _point_rows(changed: "Mapping[Item, StateValue]") -> Iterator[dict[str, Any]]:
    from element_facerhythm.curation.state import PointItem

    for item, value in changed.items():
        if isinstance(item, PointItem):
            yield {"curated_point": item.point_index, "point_excluded": bool(value)}
