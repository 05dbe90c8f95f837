"""A Dask cluster of Slurm jobs that grows with the work, and a `socorpus` command on it.

    pip install dask-jobqueue
    python slurm.py build /shared/dump -o /shared/corpus

Each worker is a job of one core. They end in time for the queue's limit, one after the other, and others take their
place; a job that is preempted or cancelled is replaced as well.
"""

import subprocess
import sys

from dask_jobqueue import SLURMCluster

WORKERS = 64


def main() -> int:
    with SLURMCluster(
        cores=1,
        processes=1,
        memory="3GB",
        walltime="04:00:00",
        interface="ib0",  # the network between the nodes: see `ip address` on one of them
        local_directory="/tmp",
        worker_extra_args=["--lifetime", "225m", "--lifetime-stagger", "10m"],
        # job_script_prologue=["source /shared/venv/bin/activate"], queue="…", account="…"
    ) as cluster:
        cluster.adapt(minimum=0, maximum=WORKERS)
        return subprocess.call(["socorpus", *sys.argv[1:], "--scheduler", cluster.scheduler_address])


if __name__ == "__main__":
    sys.exit(main())
