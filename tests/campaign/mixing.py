"""Workers and deliverers in processes of their own, forked from one that has everything loaded: so some may die soon.

``python -m tests.campaign.mixing FOLDER PORT`` forks one for each word that it reads (``worker``, ``deliverer``), says
its number, and kills all when its own input ends.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

import torch

from gateway.deliver import Deliverer
from gateway.jobs.bell import Bell, Pace
from gateway.jobs.deliveries import DeliveryQueue
from gateway.jobs.lease import Terms
from gateway.jobs.reconstructions import JobQueue
from gateway.jobs.worker import work
from gateway.model.commitment import Commitment
from gateway.model.recipes import FftRecipe
from gateway.model.route import Routes, Rule
from tests.dicom.outbox import pacs
from tests.ward import Ward

TERMS = Terms(lease_s=60, max_crashes=1_000, retry_first_s=0.01, retry_longest_s=0.05)
PACE = Pace(poll_s=0.02, heartbeat_s=5)


def queues(ward: Ward) -> dict[str, JobQueue | DeliveryQueue]:
    """What each kind works on."""
    return {
        "worker": JobQueue(ward.engine, ward.clock, TERMS),
        "deliverer": DeliveryQueue(ward.engine, ward.clock, TERMS),
    }


def run(kind: str, folder: Path, port: int, owner: str) -> None:
    """Work until killed."""
    torch.set_num_threads(1)
    ward = Ward(folder, {})
    destination = pacs(port, commitment=Commitment.NONE)
    rule = Rule(name="all", recipe="fft", destinations=("pacs",))
    routes = Routes(recipes={"fft": FftRecipe()}, destinations={"pacs": destination}, rules=(rule,))
    queue, bell = queues(ward)[kind], Bell(threading.Event(), PACE.poll_s)
    if isinstance(queue, JobQueue):
        processor = replace(ward.processor, jobs=queue, routes=lambda _version: routes)
        work(queue, processor, owner=owner, bell=bell, pace=PACE)
    else:
        deliverer = Deliverer(deliveries=queue, outbox=ward.outbox, routes=lambda _version: routes)
        threading.Thread(target=_probe, args=(deliverer,), daemon=True).start()
        work(queue, deliverer, owner=owner, bell=bell, pace=PACE)


def _probe(deliverer: Deliverer) -> None:
    """Ask again and again whether the PACS is back, which is left alone after some failures."""
    while True:
        deliverer.probe(0)
        threading.Event().wait(0.2)


def main() -> None:
    """Fork, as long as somebody asks for it."""
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    children = []
    for number, word in enumerate(sys.stdin):
        child = os.fork()
        if not child:
            run(word.strip(), folder, port, f"{word.strip()} {number}")
        children.append(child)
        print(child, flush=True)  # noqa: T201 - the test reads it
    for child in children:
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    main()
