"""Schemas of Element Facemap in a database, as DataJoint 0.14.6 declares and fills them on MySQL."""

from collections.abc import Callable
from typing import Any

TIME_KEY = "`subject` varchar(8) NOT NULL, `session_datetime` datetime NOT NULL"
NUMBER_KEY = "`subject` varchar(8) NOT NULL, `session_id` int NOT NULL"
LOG = """CREATE TABLE {schema}.`~log` (
  `id` int unsigned NOT NULL AUTO_INCREMENT COMMENT 'event order id',
  `timestamp` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP COMMENT 'event timestamp',
  `version` varchar(12) NOT NULL COMMENT 'datajoint version',
  `user` varchar(255) NOT NULL COMMENT 'user@host',
  `host` varchar(255) NOT NULL DEFAULT '' COMMENT 'system hostname',
  `event` varchar(255) NOT NULL DEFAULT '' COMMENT 'event message',
  PRIMARY KEY (`id`)) ENGINE=InnoDB COMMENT='event logging table'"""
RECORDINGS = (
    """CREATE TABLE {svd}.`video_recording` (
  {session_key}, `recording_id` int NOT NULL, `device` varchar(32) NOT NULL,
  PRIMARY KEY ({session},`recording_id`), KEY `device` (`device`),
  FOREIGN KEY ({session}) REFERENCES {session_table} ({session}) ON DELETE RESTRICT ON UPDATE CASCADE,
  FOREIGN KEY (`device`) REFERENCES {device_table} (`device`) ON DELETE RESTRICT ON UPDATE CASCADE
) ENGINE=InnoDB""",
    """CREATE TABLE {svd}.`video_recording__file` (
  {session_key}, `recording_id` int NOT NULL, `file_id` smallint NOT NULL,
  `file_path` varchar(255) NOT NULL COMMENT 'filepath of video, relative to root directory',
  PRIMARY KEY ({session},`recording_id`,`file_id`),
  FOREIGN KEY ({session},`recording_id`) REFERENCES {svd}.`video_recording` ({session},`recording_id`)
    ON DELETE RESTRICT ON UPDATE CASCADE) ENGINE=InnoDB""",
    """CREATE TABLE {svd}.`_recording_info` (
  {session_key}, `recording_id` int NOT NULL, `px_height` int NOT NULL COMMENT 'height in pixels',
  `px_width` int NOT NULL COMMENT 'width in pixels', `nframes` int NOT NULL COMMENT 'number of frames',
  `fps` int NOT NULL COMMENT 'frames per second in Hz',
  `recording_duration` float NOT NULL COMMENT 'video duration in seconds',
  `recording_time` datetime DEFAULT NULL COMMENT 'time at the beginning of the recording',
  PRIMARY KEY ({session},`recording_id`),
  FOREIGN KEY ({session},`recording_id`) REFERENCES {svd}.`video_recording` ({session},`recording_id`)
    ON DELETE RESTRICT ON UPDATE CASCADE) ENGINE=InnoDB""",
    """CREATE TABLE {svd}.`facemap_task` (
  {session_key}, `recording_id` int NOT NULL, `facemap_task_id` smallint NOT NULL,
  `facemap_output_dir` varchar(255) NOT NULL DEFAULT '',
  `task_mode` enum('load','trigger') NOT NULL DEFAULT 'load',
  `facemap_params` longblob NOT NULL COMMENT 'content of facemap''s _proc.npy as dict',
  `do_mot_svd` tinyint(1) NOT NULL DEFAULT '1', `do_mov_svd` tinyint(1) NOT NULL DEFAULT '0',
  `task_description` varchar(128) NOT NULL DEFAULT '',
  PRIMARY KEY ({session},`recording_id`,`facemap_task_id`),
  FOREIGN KEY ({session},`recording_id`) REFERENCES {svd}.`video_recording` ({session},`recording_id`)
    ON DELETE RESTRICT ON UPDATE CASCADE) ENGINE=InnoDB""",
)
INFERENCE = (
    """CREATE TABLE {inference}.`#body_part` (
  `body_part` varchar(32) NOT NULL, `body_part_description` varchar(1000) NOT NULL DEFAULT '',
  PRIMARY KEY (`body_part`)) ENGINE=InnoDB""",
    """CREATE TABLE {inference}.`facemap_model` (
  `model_id` int NOT NULL COMMENT 'user assigned ID associated with a unique model',
  `model_name` varchar(64) NOT NULL COMMENT 'name of model',
  `model_description` varchar(1000) NOT NULL DEFAULT '' COMMENT 'optional model description',
  PRIMARY KEY (`model_id`)) ENGINE=InnoDB""",
    """CREATE TABLE {inference}.`facemap_model__body_part` (
  `model_id` int NOT NULL COMMENT 'user assigned ID associated with a unique model',
  `body_part` varchar(32) NOT NULL, PRIMARY KEY (`model_id`,`body_part`), KEY `body_part` (`body_part`),
  FOREIGN KEY (`model_id`) REFERENCES {inference}.`facemap_model` (`model_id`)
    ON DELETE RESTRICT ON UPDATE CASCADE,
  FOREIGN KEY (`body_part`) REFERENCES {inference}.`#body_part` (`body_part`)
    ON DELETE RESTRICT ON UPDATE CASCADE) ENGINE=InnoDB""",
    """CREATE TABLE {inference}.`facemap_model__file` (
  `model_id` int NOT NULL COMMENT 'user assigned ID associated with a unique model',
  `model_file` longblob NOT NULL COMMENT ':attach:model file attachment. Stored as binary in database.',
  PRIMARY KEY (`model_id`),
  FOREIGN KEY (`model_id`) REFERENCES {inference}.`facemap_model` (`model_id`)
    ON DELETE RESTRICT ON UPDATE CASCADE) ENGINE=InnoDB""",
    """CREATE TABLE {inference}.`facemap_inference_task` (
  {session_key}, `recording_id` int NOT NULL,
  `model_id` int NOT NULL COMMENT 'user assigned ID associated with a unique model',
  `facemap_inference_output_dir` varchar(255) NOT NULL COMMENT 'output directory',
  `task_description` varchar(128) NOT NULL DEFAULT '' COMMENT 'additional task description',
  `task_mode` enum('load','trigger') NOT NULL DEFAULT 'load',
  `bbox` longblob COMMENT 'list containing bounding box for cropping the video [x1, x2, y1, y2]',
  PRIMARY KEY ({session},`recording_id`,`model_id`), KEY `model_id` (`model_id`),
  FOREIGN KEY ({session},`recording_id`) REFERENCES {svd}.`video_recording` ({session},`recording_id`)
    ON DELETE RESTRICT ON UPDATE CASCADE,
  FOREIGN KEY (`model_id`) REFERENCES {inference}.`facemap_model` (`model_id`)
    ON DELETE RESTRICT ON UPDATE CASCADE) ENGINE=InnoDB""",
)

NO_BOX = bytes.fromhex("646a3000020000000000000000")
BOX = bytes.fromhex(
    "646a300002040000000000000004000000000000000a01000504000000000000000a01007304000000000000000a01000a"
    "05000000000000000a02009600"
)
"""`[5, 115, 10, 150]`: rows 5 to 115, columns 10 to 150."""

REGIONS = bytes.fromhex(
    "5a4c313233008706000000000000789cedd4494fc24018c6f1168b07e272f0e0d5a3bbb86fb8a0b8e00682e2be80ad3808"
    "2db605e1e3f811fc8626f63f84500d09270fcee537793b6ddf699f8c5e082b5a40f1462f063526b6259c48b7370fc8553d"
    "414f0d953e799b2cd86ebd6c0cc86a8849c97285650ea53331df7b442a1197f390fa4323a22af4e605fd7201cd29353b6b"
    "e68d0f7a8caa944f5b5a1cc6111cc5311cc7099cc4290ce334cee02ccee13c2ee0222ee132aee02a46700dd7710337318a"
    "5bb88d31dcc15ddcc37d8ce3011ee2111ee309263089f2bba6308d67788e19bcc04bbcc26bbcc15bbcc37b7cc047cc620e"
    "9f5047039f318f2f28b080af58c4129a686119dfd046075dac6015dfb186befcd6bff3fb496e1bf995b9facfaf37fe6a7e"
    "07f9616dce445f3559298b62bbe350edf438947fb911a7ae96eee490d7e511ff4b3c3b7e9e6f034e4e984d1bd0be0025f0"
    "4a88"
)
"""`rois` with a region of motion (x 40 to 120, y 40 to 90) and one of the pupil."""


class LegacySchemas:
    """Two schemas under names of their own; `rows` are inserted as they are given."""

    def __init__(
        self,
        query: Callable[..., Any],
        prefix: str,
        session_table: str,
        device_table: str,
        session_key: str = NUMBER_KEY,
    ) -> None:
        self.query = query
        self.svd, self.inference = f"{prefix}facemap_svd", f"{prefix}facemap_inference"
        names = [part.split()[0] for part in session_key.split(", ")]
        facts = {
            "svd": f"`{self.svd}`", "inference": f"`{self.inference}`", "session_key": session_key,
            "session": ",".join(names), "session_table": session_table, "device_table": device_table,
        }  # fmt: skip
        for schema, statements in ((self.svd, RECORDINGS), (self.inference, INFERENCE)):
            query(f"CREATE DATABASE `{schema}`")
            for statement in (*statements, LOG.replace("{schema}", f"`{schema}`")):
                query(statement.format_map(facts))

    def insert(self, schema: str, table: str, *rows: dict[str, Any]) -> None:
        for row in rows:
            columns, marks = ", ".join(f"`{name}`" for name in row), ", ".join(["%s"] * len(row))
            self.query(
                f"INSERT INTO `{schema}`.`{table}` ({columns}) VALUES ({marks})",
                args=tuple(row.values()),
            )

    def content(self) -> dict[str, Any]:
        """Checksum and definition of every table of both schemas."""
        found = {}
        for schema in (self.svd, self.inference):
            for (table,) in self.query(f"SHOW TABLES FROM `{schema}`").fetchall():
                name = f"`{schema}`.`{table}`"
                checksum = self.query(f"CHECKSUM TABLE {name}").fetchone()[1]
                found[name] = (checksum, self.query(f"SHOW CREATE TABLE {name}").fetchone()[1])
        return found

    def drop(self) -> None:
        for schema in (self.inference, self.svd):
            self.query(f"DROP DATABASE `{schema}`")
