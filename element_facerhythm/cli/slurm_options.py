"""Options of `facerhythm slurm submit`: what a worker gets, and how the array behaves."""

from pathlib import Path
from typing import Annotated

import typer

Partition = Annotated[
    str | None, typer.Option(help="Partition; the cluster's default if left out.")
]
Gpus = Annotated[
    str | None,
    typer.Option(help="GPU of each worker: 1, or a type such as a100; none if left out."),
]
MaxWorkers = Annotated[
    int, typer.Option(help="At most so many workers, those of earlier arrays counted.", min=1)
]
AtOnce = Annotated[
    int | None, typer.Option(help="At most so many tasks of the array run at once.", min=1)
]
Cpus = Annotated[int | None, typer.Option(help="Processor cores of each worker.", min=1)]
Memory = Annotated[str | None, typer.Option(help="Memory of each worker, such as 16G.")]
TimeLimit = Annotated[
    str | None, typer.Option("--time", help="Time limit of each worker, such as 12:00:00.")
]
Grace = Annotated[
    int,
    typer.Option(
        help="Seconds before the time limit at which a worker requeues its job.",
        min=1,
        max=65535,
    ),
]
Account = Annotated[str | None, typer.Option(help="Account that is charged.")]
Qos = Annotated[str | None, typer.Option(help="Quality of service.")]
Setup = Annotated[
    Path | None,
    typer.Option(
        help="File that bash reads before the worker starts.", exists=True, dir_okay=False
    ),
]
Before = Annotated[
    list[str] | None,
    typer.Option(help="Line of bash before the worker, such as 'module load cuda'; repeatable."),
]
Sbatch = Annotated[
    list[str] | None,
    typer.Option(help="Another option of sbatch, such as --constraint=a100; repeatable."),
]
MaxJobs = Annotated[int | None, typer.Option(help="Each worker stops after so many jobs.", min=1)]
Lease = Annotated[
    float | None,
    typer.Option(
        help="As in `facerhythm worker`: seconds without a heartbeat before a job is requeued.",
        min=1,
        max=1e6,
    ),
]
Name = Annotated[
    str, typer.Option(help="Job name, by which these tasks are found; one for each database.")
]
Directory = Annotated[
    Path | None,
    typer.Option("--dir", help="For script and logs; slurm/ beside the results if left out."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the script, have Slurm check it; submit nothing.")
]
Arrays = Annotated[
    list[str] | None,
    typer.Argument(help="Numbers of arrays, as submit printed them; all if left out."),
]
