"""A recon worker in a process of its own, whose work is to hang, to crash, or to wait for a word.

``python -m tests.campaign.worker FOLDER OWNER WORK [SECONDS]``; an attempt may take so many seconds.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from pathlib import Path

from gateway.jobs.bell import Bell, Pace
from gateway.jobs.clock import utc_now
from gateway.jobs.lease import Terms
from gateway.jobs.reconstructions import ClaimedJob, JobQueue
from gateway.jobs.worker import work
from gateway.model.errors import LostLease
from gateway.model.series import Instance, Series
from tests.campaign.site import database

TERMS = Terms(lease_s=0.6, max_crashes=3)


def crash(_job: ClaimedJob) -> None:
    """Read what is not ours to read."""
    ctypes.string_at(0)


def hang(_job: ClaimedJob) -> None:
    """Never return, in code that holds the interpreter's lock."""
    ctypes.PyDLL(None).pause()


def main() -> None:
    """Work until the first attempt has ended."""
    folder, owner, kind, *limit = sys.argv[1:]
    jobs, stop = JobQueue(database(Path(folder)), utc_now, TERMS), threading.Event()

    def wait(job: ClaimedJob) -> None:
        sys.stdin.readline()
        try:
            jobs.succeed(job, [SERIES], ["pacs"])
        except LostLease:
            print("fenced", flush=True)  # noqa: T201 - the test reads it
            raise

    def run(job: ClaimedJob) -> None:
        stop.set()
        print("claimed", flush=True)  # noqa: T201
        {"crash": crash, "hang": hang, "wait": wait}[kind](job)

    pace = Pace(poll_s=0.02, heartbeat_s=0.2, attempt_s=float(limit[0]) if limit else 0)
    work(jobs, run, owner=owner, bell=Bell(stop, 0.02), pace=pace)


INSTANCE = Instance(sop_class_uid="1.2", sop_instance_uid="2.25.1", number=1, path="1.dcm", sha256="00", n_bytes=7)
SERIES = Series(study_instance_uid="2.25.8", series_instance_uid="2.25.9", description="gre fft", instances=(INSTANCE,))

if __name__ == "__main__":
    main()
