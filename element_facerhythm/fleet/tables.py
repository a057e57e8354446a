"""The tables of the fleet."""

from typing import Any

from element_facerhythm.database.activation import ElementSchema
from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.database.table_creation import activating

dj: Any = import_datajoint()

schema = ElementSchema("fleet.activate(schema_name)")

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
    worker_device    : varchar(64)  # what it computes on
    batch_job=''     : varchar(64)  # job of the batch system that runs it, if one does
    worker_package_version : varchar(32) # element-facerhythm of the worker
    populated_schemas='' : varchar(255) # schemas whose tables it fills, separated by commas
    lease_s          : float64      # silent for longer, in seconds, it counts as lost
    worker_started_time : datetime(3) # by the server's clock, UTC, as all times here
    heartbeat_time   : datetime(3)  # last heartbeat
    state            : varchar(16)  # idle, working, stopped, or lost
    n_jobs_done=0    : int32        # jobs done
    n_jobs_failed=0  : int32        # jobs failed
    index (state)
    """


@schema
class ActiveJob(dj.Manual):
    """A job that a worker is doing, and how far it is."""

    definition = """
    # Jobs under way
    active_table      : varchar(64) # table that is being populated
    active_job_id     : varchar(32) # digest of the key
    ---
    active_job_key    : json        # key of the table
    -> Worker
    current_attempt   : int32       # 1, 2, ...
    claimed_time      : datetime(3) # when the worker took it, UTC
    current_stage=''  : varchar(64) # what is being computed
    n_done=null       : int64       # units of the stage done
    n_total=null      : int64       # units of the stage, if known
    unit=''           : varchar(16) # what is counted
    percent=null      : float64     # 100 x n_done / n_total, of the stage
    rate_per_s=null   : float64     # units per second, over the last half minute
    seconds_left=null : float64     # (n_total - n_done) / rate_per_s
    progress_time     : datetime(3) # when this was written, UTC
    """


@schema
class JobAttempt(dj.Manual):
    """The outcome of each attempt at a job.

    `outcome` is `done`, `failed`, `retry` (failed, and tried again later), `given back` (the worker was
    stopped), `lost` (the worker died or fell silent), `gone` (the key was deleted, or never was there), or
    `reset` (a user asked to try again). Attempts before a reset, or before the key was deleted, do not
    count any more.
    """

    definition = """
    # Attempts at jobs that are over
    table_name       : varchar(64)   # table that was to be populated
    job_id           : varchar(32)   # digest of the key
    attempt          : int32         # 1, 2, ...
    ---
    job_key          : json          # key of the table
    attempt_worker_id : varchar(32)  # who tried
    started_time     : datetime(3)   # UTC
    ended_time       : datetime(3)   # UTC
    outcome          : varchar(16)   # done, failed, retry, given back, lost, gone or reset
    last_stage=''    : varchar(64)   # what was being computed in the end
    reason=''        : varchar(2047) # why it is not done
    index (ended_time)
    """

    PEOPLE_ADD_TO_IT = True
    """`jobs retry` adds a row, also for accounts other than those of workers (see `admin.roles`)."""


def activate(
    schema_name: str, *, create_schema: bool | None = None, create_tables: bool | None = None
) -> None:
    """Bind the tables to a schema in the database.

    Parameters
    ----------
    schema_name
        Name of the schema on the database server.
    create_schema, create_tables
        Whether to create what does not exist yet; None: as DataJoint's `database.create_tables` says.
    """
    with activating(
        schema,
        schema_name,
        create_schema=create_schema,
        create_tables=create_tables,
        module="fleet",
    ) as flags:
        schema.activate(schema_name, **flags)
