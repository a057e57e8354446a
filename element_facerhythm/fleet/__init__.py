"""Workers that populate the tables together, and what they are doing, in the database.

DataJoint's job tables are the queue. This package adds three tables: `Worker`, one row for each process with
the time of its last heartbeat; `ActiveJob`, what each one is doing and how far it is; `JobAttempt`, the
outcome of every attempt. A job belongs to the worker that has an `ActiveJob` row for it, and to no other one.
When a worker is silent for longer than its lease, any other one requeues its jobs.

Every time in these tables is the server's, in UTC; no clock of a worker is ever read.
"""

from element_facerhythm.fleet.tables import ActiveJob, JobAttempt, Worker, activate, schema

__all__ = ["ActiveJob", "JobAttempt", "Worker", "activate", "schema"]
