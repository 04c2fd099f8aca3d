"""Whatever happens in whatever order: nothing that a network made reaches the PACS unmarked, or made outside its card.

Policies and cards are edited, the gateway starts again, workers and deliverers die in the middle of their work and come
back after somebody else has done it, the PACS fills up, and people click: in any interleaving.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydicom.dataset import Dataset

from gateway.dicom.learned import IMAGE_TYPE, SUFFIX
from gateway.dicom.ruling import CREATOR, GROUP
from gateway.jobs.bell import Pace
from gateway.jobs.deliveries import ClaimedDelivery
from gateway.jobs.reconstructions import ClaimedJob
from gateway.jobs.worker import _attempt
from gateway.model.card import MadeFor, Purpose
from gateway.model.errors import GatewayError
from gateway.model.gate import Action, Check, Decision
from gateway.model.header import ScanHeader
from gateway.model.networks import RefineNetwork
from gateway.model.policy import Limits, Policy
from gateway.model.readout import Acquisition
from gateway.model.recipes import FftRecipe, LearnedRecipe
from gateway.model.work import WorkEvent
from tests.dicom.scripted import scripted_pacs
from tests.recon.scans import slab
from tests.studio import ACQUISITION, FOR_OTHERS, HEADER, MODEL, Archive, Studio
from tests.test_gate_policies import ANSWERS, whatever

NOTHING_MATTERS = Policy.model_validate(
    {
        **{name: {"warn": "send", "unchecked": "send"} for name in ANSWERS},
        "thresholds": {check: Limits(warn_above=1e12, fail_above=1e12) for check in Check},
    }
)
"""Of a site that wants to see nothing: images of networks leave as they are, though never without their marks."""

_READOUTS, _SLAB_HEADER = slab()
SLAB: tuple[Acquisition, ScanHeader] = ((_READOUTS,), _SLAB_HEADER)

PERSON = (WorkEvent.HOLD, WorkEvent.RELEASE, WorkEvent.CANCEL, WorkEvent.RETRY)


class Passages(RuleBasedStateMachine):
    """A ward with a network, a card that changes, policies that change, a PACS that fills up, and people who click."""

    ward = Studio
    scans: Mapping[str, tuple[Acquisition, ScanHeader]] = {"slices": (ACQUISITION, HEADER), "a slab": SLAB}
    covers: tuple[str, ...] = ("slices",)
    """What the card is for; the network must not be used on any other scan."""

    def __init__(self) -> None:
        super().__init__()
        self.running = ExitStack()
        self.archive = Archive()
        self.sleeping: list[ClaimedJob] = []
        self.sleepers: list[ClaimedDelivery] = []
        self.in_card = True
        self.uncovered: set[int] = set()

    def teardown(self) -> None:
        self.running.close()

    def close(self) -> None:
        self.studio.engine.dispose()

    @initialize()
    def open(self) -> None:
        port, _ = self.running.enter_context(scripted_pacs(self.archive))
        self.folder = Path(self.running.enter_context(tempfile.TemporaryDirectory()))
        self.studio = self.ward(self.folder, port, Policy())
        self.running.callback(self.close)
        self.studio.arrive(1)

    @rule(number=st.integers(1, 3), kind=st.sampled_from(["slices", "a slab"]))
    def arrive(self, number: int, kind: str) -> None:
        job = self.studio.arrive(number, self.scans[kind])
        if kind not in self.covers:
            self.uncovered.add(job)

    @rule()
    def work(self) -> None:
        with self.nothing_learned_outside_the_card():
            self.studio.work_if_due()

    @rule()
    def deliver(self) -> None:
        self.studio.deliver_if_due()

    @rule(full=st.booleans())
    def fill(self, full: bool) -> None:
        self.archive.full = full

    @rule(action=st.sampled_from(Action), sees=st.booleans())
    def edit_policy(self, action: Action, sees: bool) -> None:
        """Edit what follows; a site that sees nothing lets pass whatever could be measured or not."""
        policy = whatever(action) if sees else NOTHING_MATTERS
        self.studio.put_policy(policy)

    @rule(within=st.booleans(), purpose=st.sampled_from(list(Purpose)))
    def edit_card(self, within: bool, purpose: Purpose) -> None:
        self.studio.put_card(made_for=MadeFor() if within else FOR_OTHERS, purpose=purpose)
        self.in_card = within and purpose is Purpose.PATIENTS

    @rule()
    def start_again(self) -> None:
        self.studio.engine.dispose()
        self.studio = self.ward(self.folder, self.studio.port, self.studio.policy)

    @rule()
    def die_at_work(self) -> None:
        """The worker is killed after its claim; the supervisor takes the job back."""
        if self.studio.jobs.claim("w0"):
            self.studio.jobs.reap("w0")

    @rule()
    def lose_touch_at_work(self) -> None:
        """A worker is cut off after its claim; others take the job, and it will come back."""
        if claimed := self.studio.jobs.claim("w2"):
            self.studio.jobs.reap("w2")
            self.sleeping.append(claimed)

    @rule()
    def lose_touch_while_sending(self) -> None:
        if claimed := self.studio.deliveries.claim("d2"):
            self.studio.deliveries.reap("d2")
            self.sleepers.append(claimed)

    @precondition(lambda self: self.sleeping)
    @rule()
    def come_back_to_work(self) -> None:
        with self.nothing_learned_outside_the_card():
            _attempt(self.studio.jobs, self.studio.processor, self.sleeping.pop(0), Pace())

    @precondition(lambda self: self.sleepers)
    @rule()
    def come_back_to_send(self) -> None:
        _attempt(self.studio.deliveries, self.studio.deliverer, self.sleepers.pop(0), Pace())

    @rule(event=st.sampled_from(PERSON), number=st.integers(1, 4))
    def click(self, event: WorkEvent, number: int) -> None:
        with suppress(GatewayError):
            self.studio.jobs.act(number, event, who="anna", reason="why not")

    @rule(decision=st.sampled_from(list(Decision)), number=st.integers(1, 4))
    def review(self, decision: Decision, number: int) -> None:
        with suppress(GatewayError):
            self.studio.jobs.review(number, decision, who="anna", reason="why not")

    def learned_series(self) -> int:
        """Count the series that may leave and that a network took part in."""
        made = [name for job in self.studio.queries.jobs() for name, _ in self.studio.queries.series_paths(job.id)]
        return sum(name.endswith(SUFFIX) for name in made)

    @invariant()
    def no_network_has_made_what_its_card_is_not_for(self) -> None:
        for job in self.uncovered:
            assert not any(name.endswith(SUFFIX) for name, _ in self.studio.queries.series_paths(job))

    @contextmanager
    def nothing_learned_outside_the_card(self) -> Iterator[None]:
        """See to it that work sends nothing by itself, and that no network works where its card does not allow it."""
        arrived, learned = len(self.archive.got), self.learned_series()
        yield
        assert len(self.archive.got) == arrived
        assert self.in_card or self.learned_series() == learned

    @invariant()
    def nothing_learned_has_arrived_unmarked(self) -> None:
        for ds in self.archive.got:
            learned = IMAGE_TYPE in ds.ImageType
            assert ds.SeriesDescription.endswith(SUFFIX if learned else " conventional")
            assert learned == ("Reconstructed with the neural network small 1.0" in ds.ImageComments)
            assert learned or "onventional reconstruction" in ds.ImageComments or "was not used" in ds.ImageComments
            assert not learned or tells_what_the_gate_said(ds)


def tells_what_the_gate_said(ds: Dataset) -> bool:
    """Whether an object names an action by which it may leave, and warns where a check did not pass that counts."""
    block = ds.private_block(GROUP, CREATOR)
    warns = ds.ImageComments.startswith("QUALITY GATE: ")
    return warns if block[0x01].value in ("warn", "companion") else block[0x01].value == "send" and not warns


class AfterGridding(Studio):
    """A ward whose network refines whatever image comes, of slabs as of slices."""

    network = RefineNetwork(n_channels=4, n_pools=2)
    recipe = LearnedRecipe(model=MODEL, after=FftRecipe(), fallback=FftRecipe())


class PassagesOfSlabs(Passages):
    """The same with slabs that a network may make."""

    ward = AfterGridding
    covers = ("slices", "a slab")


@pytest.mark.parametrize(("machine", "n"), [(Passages, 10), (PassagesOfSlabs, 8)], ids=["slices", "slabs"])
def test_nothing_that_a_network_made_arrives_unmarked(machine: type[Passages], n: int) -> None:
    phases = (Phase.explicit, Phase.generate)
    case = machine.TestCase
    case.settings = settings(max_examples=n, stateful_step_count=18, deadline=None, phases=phases, derandomize=True)
    case("runTest").runTest()
