"""A ward whose recipe is a network, a PACS that notes what it gets, and models whose cards people edit."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom.events import Event

from gateway.deliver import Deliverer
from gateway.jobs.bell import Pace
from gateway.jobs.deliveries import DeliveryQueue
from gateway.jobs.worker import _attempt
from gateway.model.card import MadeFor, Purpose
from gateway.model.commitment import Commitment
from gateway.model.destinations import PacsDestination
from gateway.model.header import ScanHeader
from gateway.model.ids import JobId
from gateway.model.networks import Network, UnetNetwork
from gateway.model.policy import DEFAULT, Policy
from gateway.model.readout import Acquisition
from gateway.model.recipes import FftRecipe, LearnedRecipe
from gateway.model.route import Routes, Rule
from gateway.model.zyx import Zyx
from gateway.recon.phantom import PhantomScan, head_phantom
from gateway.zoo.folder import CARD, card_text, read_folder
from tests.peers import LOOPBACK
from tests.ward import TERMS, Ward, patient
from tests.zoo.models import SMALL_UNET, put_model

SMALL = PhantomScan(n_slices=1, n_coils=4, matrix=Zyx(z=1, y=32, x=32), noise=0.02, seed=1)
ACQUISITION, HEADER = head_phantom(SMALL)
MODEL = "small"
OTHER = UnetNetwork(n_channels=3, n_pools=2)
FOR_ANYTHING = MadeFor()
FOR_OTHERS = MadeFor(body_parts=("KNEE",))
"""Not the head that is scanned here."""


class Archive:
    """Notes every instance that a PACS is given."""

    def __init__(self) -> None:
        self.got: list[Dataset] = []
        self.full = False

    def __call__(self, event: Event) -> int:
        if self.full:
            return 0xA700
        self.got.append(event.dataset)
        return 0x0000


class Studio(Ward):
    """A ward with a network; a new one over the same folder is the gateway started again."""

    network: Network = SMALL_UNET
    recipe = LearnedRecipe(model=MODEL, fallback=FftRecipe())
    made_for = MadeFor()

    def __init__(self, folder: Path, port: int, policy: Policy) -> None:
        self.port, self.policy = port, policy
        if not (folder / "models").exists():
            put_model(folder / "models", self.network, made_for=self.made_for)
        super().__init__(folder, {})
        self.deliveries = DeliveryQueue(self.engine, self.clock, TERMS)
        self.deliverer = Deliverer(deliveries=self.deliveries, outbox=self.outbox, routes=lambda _version: self.routes)

    def rules(self, rule: Any) -> None:  # noqa: ANN401 - as the ward has it
        """Put a network in force, with a policy."""
        super().rules(rule)
        pacs = PacsDestination(
            host=LOOPBACK, port=self.port, ae_title="PACS", plain=True, timeout_s=5, commitment=Commitment.NONE
        )
        self.routes = Routes(
            recipes={"net": self.recipe},
            destinations={"pacs": pacs},
            policies={DEFAULT: self.policy},
            rules=(Rule(name="all", recipe="net", destinations=("pacs",)),),
        )

    def put_policy(self, policy: Policy) -> None:
        """Edit the policy."""
        self.policy = policy
        self.rules({})

    def put_card(self, *, made_for: MadeFor = FOR_ANYTHING, purpose: Purpose = Purpose.PATIENTS) -> None:
        """Edit the card of the model."""
        path = self.folder / "models" / MODEL
        card = read_folder(path).card.model_copy(update={"made_for": made_for, "purpose": purpose})
        (path / CARD).write_text(card_text(card), encoding="utf-8")

    def put_other_weights(self, network: Network = OTHER) -> None:
        """Train the model anew, or so; the name stays."""
        shutil.rmtree(self.folder / "models" / MODEL)
        put_model(self.folder / "models", network)

    def arrive(self, number: int = 1, scan: tuple[Acquisition, ScanHeader] = (ACQUISITION, HEADER)) -> JobId:
        """Receive a scan, of a head unless another one is given."""
        acquisition, header = scan
        return self.scan(replace(patient(number), encodings=header.encodings), acquisition)

    def work_if_due(self) -> None:
        """Let the worker take the next job, if any is due."""
        claimed = self.jobs.claim("w1")
        if claimed:
            _attempt(self.jobs, self.processor, claimed, Pace())

    def deliver_if_due(self) -> None:
        """Let the deliverer take the next delivery, if any is due."""
        claimed = self.deliveries.claim("d1")
        if claimed:
            _attempt(self.deliveries, self.deliverer, claimed, Pace())
