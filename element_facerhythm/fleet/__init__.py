"""Workers that populate the tables together, and what they are doing, in the database.

DataJoint's job tables are the queue. Beside them stand three tables of our own: `Worker`, one row for each
process with the time of its last sign of life; `ActiveJob`, what each one is doing and how far it is;
`JobAttempt`, what became of every attempt. A job belongs to the worker that has an `ActiveJob` row for it,
and to nobody else. When a worker is silent for longer than its lease, any other one takes its jobs back.

Every time in these tables is the server's, in UTC; no clock of a worker is ever read.
"""

from element_facerhythm.fleet.tables import ActiveJob, JobAttempt, Worker, activate, schema

__all__ = ["ActiveJob", "JobAttempt", "Worker", "activate", "schema"]
