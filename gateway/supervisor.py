"""Child processes that are started again when they die; whatever they had claimed is taken back at once.

A child reads its standard input and ends when that ends: so no child outlives us, however we die.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.jobs.worker import owner_name
from gateway.model.errors import StorageFault

logger = logging.getLogger(__name__)

RESTART_FIRST_S = 0.5
RESTART_LONGEST_S = 30.0
LIVED_WELL_S = 60.0
"""A child that lived so long is started again without waiting."""


@dataclass(frozen=True, kw_only=True)
class Child:
    """One process to keep alive."""

    role: str
    command: Sequence[str]
    reap: Callable[[str], int]
    """Takes back what an owner had claimed that has died."""
    interrupt: Callable[[str], int]
    """Takes back what an owner had claimed that we have killed, because it did not end in time."""
    grace_s: float = 30.0
    """How long it may take to finish the piece in hand when we end."""
    max_memory_bytes: int | None = None
    """A child that takes more is killed, which costs an attempt and not the machine."""


@contextmanager
def supervise(children: Sequence[Child], stop: threading.Event) -> Iterator[None]:
    """Keep children alive as long as the block lasts."""
    ended = threading.Event()
    threads = [threading.Thread(target=_keep, args=(child, ended), name=child.role) for child in children]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        stop.set()
        for thread in threads:
            thread.join()


def _keep(child: Child, ended: threading.Event) -> None:
    wait_s = RESTART_FIRST_S
    while not ended.is_set():
        owner = owner_name(child.role)
        command = [*child.command, "--owner", owner]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:  # noqa: S603 - our own
            lived_well = _watch(process, child.max_memory_bytes, ended)
            killed = process.poll() is None and not _let_go(process, child.grace_s)
        if killed:
            _take_back(child.interrupt, owner)
        if ended.is_set():
            return
        logger.error("child died", extra={"role": child.role, "exit": process.returncode, "owner": owner})
        _take_back(child.reap, owner)
        wait_s = RESTART_FIRST_S if lived_well else min(2 * wait_s, RESTART_LONGEST_S)
        ended.wait(wait_s)


def _watch(process: subprocess.Popen[bytes], max_memory_bytes: int | None, ended: threading.Event) -> bool:
    """Wait until the child dies or we end; say whether it had lived well."""
    waited_s = 0.0
    while process.poll() is None and not ended.wait(0.1):
        waited_s += 0.1
        if max_memory_bytes is not None and _memory_bytes(process.pid) > max_memory_bytes:
            logger.error("child killed: it took more memory than allowed", extra={"pid": process.pid})
            process.kill()
            process.wait()
    return waited_s >= LIVED_WELL_S


def _memory_bytes(pid: int) -> int:
    """Memory that a process takes, without what it only shares; 0 where nobody can say."""
    try:
        _size, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def _let_go(process: subprocess.Popen[bytes], grace_s: float) -> bool:
    """Ask a child to end by ending its input; one that does not is killed. Say whether it ended by itself."""
    assert process.stdin is not None, "it was made with a pipe"  # noqa: S101
    process.stdin.close()
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        logger.warning("child killed: it did not end in time", extra={"pid": process.pid})
        process.kill()
        process.wait()
        return False
    return True


def _take_back(take_back: Callable[[str], int], owner: str) -> None:
    try:
        take_back(owner)
    except StorageFault as fault:
        logger.warning("its work stays claimed until the lease ends", extra={"owner": owner, "reason": str(fault)})


def on_leash(stop: threading.Event) -> None:
    """In a child: stop when our standard input ends."""

    def wait_for_end() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        stop.set()

    threading.Thread(target=wait_for_end, name="leash", daemon=True).start()
