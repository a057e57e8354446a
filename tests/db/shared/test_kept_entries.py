"""What finished results rest on cannot be exchanged under them, and can still be deleted with them."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pymysql
import pytest

from tests.db.shared.conftest import ADMINISTRATOR, WORK, SharedDatabase

pytestmark = [pytest.mark.slow, pytest.mark.database, pytest.mark.mysql, pytest.mark.timeout(600)]

REFUSED_BY_A_TRIGGER = 1644


def changes(database: SharedDatabase, where: str) -> dict[str, list[str]]:
    """Statements that change a part of an entry, by the table whose results rest on it."""
    fbe = f"`{database.prefix}facial_behavior_estimation`"
    polygon, file = f"{fbe}.`face_rhythm_r_o_i__polygon`", f"{fbe}.`video_recording__file`"
    columns = "subject, session_id, recording_id"
    numbers = (
        "roi_name, region_kind, vertices, n_vertices, area_px2, polygon_centroid_x_px, "
        "polygon_centroid_y_px"
    )
    return {
        "FaceRhythmProcessing": [
            f"DELETE FROM {polygon} WHERE {where}",
            f"INSERT INTO {polygon} ({columns}, roi_id, role, polygon_index, {numbers}) SELECT {columns}, "
            f"roi_id, 'mask', 7, {numbers} FROM {polygon} AS p WHERE {where} LIMIT 1",
        ],
        "RecordingInfo": [
            f"DELETE FROM {file} WHERE {where}",
            f"INSERT INTO {file} ({columns}, file_id, file_path) SELECT {columns}, 7, 'other.mp4' "
            f"FROM {file} AS f WHERE {where} LIMIT 1",
        ],
    }


def test_parts_of_entries_are_kept_while_there_are_results(
    database: SharedDatabase, ingest: Callable[..., dict[str, Any]], guard: str
) -> None:
    ingest("kept", 1)
    worked = database.facerhythm("worker", *WORK)
    assert worked.returncode == 0, worked.stderr
    ingest("kept", 2)
    finished, waiting = (f"subject = 'kept' AND session_id = {number}" for number in (1, 2))
    for role in ("analyst", ADMINISTRATOR):
        for table, statements in changes(database, finished).items():
            for statement in statements:
                with pytest.raises(pymysql.err.MySQLError, match=f"{table} has results") as refused:
                    database.query(role, statement)
                assert refused.value.args[0] == REFUSED_BY_A_TRIGGER
    with closing(database.connect("analyst")) as analyst, analyst.cursor() as cursor:
        for statements in changes(database, waiting).values():
            for statement in reversed(statements):
                assert cursor.execute(statement) > 0, statement
    left = database.python(
        "analyst",
        "from element_facerhythm.workflow import Session, facial_behavior_estimation as fbe, dj\n"
        "dj.config.safemode = False\n"
        "(Session & {'subject': 'kept'}).delete()\n"
        "print(len(fbe.FaceRhythmROI.Polygon & {'subject': 'kept'}))",
    )
    assert left.split()[-1] == "0"
