"""The tables of the fleet."""

from typing import Any

from element_facerhythm.declaration import activating
from element_facerhythm.embedded import import_datajoint

dj: Any = import_datajoint()

schema = dj.Schema()

MAX_REASON = 2047
"""Characters of a reason that are kept, as of DataJoint's own error messages."""


@schema
class Worker(dj.Manual):
    """A process that populates the tables; `state` is `idle`, `working`, `stopped` or `lost`."""

    definition = """
    # Worker processes
    worker_id        : varchar(32)  # made when the process starts
    ---
    host             : varchar(255) # machine or container
    pid              : int32        # process number there
    device           : varchar(64)  # what it computes on
    batch_job=''     : varchar(64)  # job of the batch system that runs it, if one does
    package_version  : varchar(32)  # element-facerhythm of the worker
    lease_s          : float64      # silent for longer, it counts as lost
    started_time     : datetime(3)  # by the server's clock, UTC, as all times here
    heartbeat_time   : datetime(3)  # last sign of life
    state            : varchar(16)  # idle, working, stopped, or lost
    n_done=0         : int32        # jobs done
    n_failed=0       : int32        # jobs failed
    index (state)
    """


@schema
class ActiveJob(dj.Manual):
    """A job that a worker is doing, and how far it is."""

    definition = """
    # Jobs under way
    table_name        : varchar(64) # table that is being populated
    job_id            : varchar(32) # digest of the key
    ---
    job_key           : json        # key of the table
    -> Worker
    attempt           : int32       # 1, 2, ...
    claimed_time      : datetime(3) # when the worker took it, UTC
    stage=''          : varchar(64) # what is being computed
    n_done=null       : int64       # units of the stage done
    n_total=null      : int64       # units of the stage, if known
    unit=''           : varchar(16) # what is counted
    percent=null      : float64     # of the stage
    rate_per_s=null   : float64     # units per second, over the last half minute
    seconds_left=null : float64     # of the stage, at this rate
    progress_time     : datetime(3) # when this was written, UTC
    """


@schema
class JobAttempt(dj.Manual):
    """What became of each attempt at a job.

    `outcome` is `done`, `failed`, `retry` (failed, and tried again later), `given back` (the worker was
    stopped), `lost` (the worker died or fell silent), `gone` (the key was deleted, or never was there), or
    `reset` (somebody asked to try again). What was before a reset, or before the key was deleted, does not
    count any more.
    """

    definition = """
    # Attempts at jobs that are over
    table_name       : varchar(64)   # table that was to be populated
    job_id           : varchar(32)   # digest of the key
    attempt          : int32         # 1, 2, ...
    ---
    job_key          : json          # key of the table
    worker_id        : varchar(32)   # who tried
    started_time     : datetime(3)   # UTC
    ended_time       : datetime(3)   # UTC
    outcome          : varchar(16)   # done, failed, retry, given back, lost, gone or reset
    stage=''         : varchar(64)   # what was being computed in the end
    reason=''        : varchar(2047) # why it is not done
    index (ended_time)
    """

    PEOPLE_ADD_TO_IT = True
    """`jobs retry` adds a row, for accounts that are no worker's (see `admin.roles`)."""


def activate(schema_name: str, *, create_schema: bool = True, create_tables: bool = True) -> None:
    """Bind the tables to a schema in the database.

    Parameters
    ----------
    schema_name
        Name of the schema on the database server.
    create_schema, create_tables
        Whether to create what does not exist yet.
    """
    with activating(schema, schema_name, create_schema=create_schema, create_tables=create_tables):
        schema.activate(schema_name, create_schema=create_schema, create_tables=create_tables)
