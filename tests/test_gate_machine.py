"""Whatever happens in whatever order: nothing that a network made reaches the PACS unmarked."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

from hypothesis import Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.dicom.learned import IMAGE_TYPE, SUFFIX
from gateway.dicom.ruling import CREATOR, GROUP
from gateway.model.card import MadeFor, Purpose
from gateway.model.errors import GatewayError
from gateway.model.gate import Action, Decision
from gateway.model.policy import Policy
from gateway.model.work import WorkEvent
from tests.dicom.scripted import scripted_pacs
from tests.studio import FOR_OTHERS, Archive, Studio
from tests.test_gate_policies import whatever

PERSON = (WorkEvent.HOLD, WorkEvent.RELEASE, WorkEvent.CANCEL, WorkEvent.RETRY)


class Passages(RuleBasedStateMachine):
    """A ward with a network, a card that changes, policies that change, a PACS that fills up, and people who click."""

    def __init__(self) -> None:
        super().__init__()
        self.running = ExitStack()
        self.archive = Archive()

    def teardown(self) -> None:
        self.running.close()

    def close(self) -> None:
        self.studio.engine.dispose()

    @initialize()
    def open(self) -> None:
        port, _ = self.running.enter_context(scripted_pacs(self.archive))
        self.folder = Path(self.running.enter_context(tempfile.TemporaryDirectory()))
        self.studio = Studio(self.folder, port, Policy())
        self.running.callback(self.close)
        self.studio.arrive(1)

    @rule(number=st.integers(1, 3))
    def arrive(self, number: int) -> None:
        self.studio.arrive(number)

    @rule()
    def work(self) -> None:
        before = len(self.archive.got)
        self.studio.work_if_due()
        assert len(self.archive.got) == before

    @rule()
    def deliver(self) -> None:
        self.studio.deliver_if_due()

    @rule(full=st.booleans())
    def fill(self, full: bool) -> None:
        self.archive.full = full

    @rule(action=st.sampled_from([action for action in Action if action is not Action.SEND]))
    def edit_policy(self, action: Action) -> None:
        self.studio.put_policy(whatever(action))

    @rule(within=st.booleans(), purpose=st.sampled_from(list(Purpose)))
    def edit_card(self, within: bool, purpose: Purpose) -> None:
        self.studio.put_card(made_for=MadeFor() if within else FOR_OTHERS, purpose=purpose)

    @rule()
    def start_again(self) -> None:
        self.studio.engine.dispose()
        self.studio = Studio(self.folder, self.studio.port, self.studio.policy)

    @rule()
    def die_at_work(self) -> None:
        """The worker is killed after its claim; the supervisor takes the job back."""
        if self.studio.jobs.claim("w0"):
            self.studio.jobs.reap("w0")

    @rule(event=st.sampled_from(PERSON), number=st.integers(1, 4))
    def click(self, event: WorkEvent, number: int) -> None:
        with suppress(GatewayError):
            self.studio.jobs.act(number, event, who="anna", reason="why not")

    @rule(decision=st.sampled_from(list(Decision)), number=st.integers(1, 4))
    def review(self, decision: Decision, number: int) -> None:
        with suppress(GatewayError):
            self.studio.jobs.review(number, decision, who="anna", reason="why not")

    @invariant()
    def nothing_learned_has_arrived_unmarked(self) -> None:
        for ds in self.archive.got:
            learned = IMAGE_TYPE in ds.ImageType
            assert learned == ds.SeriesDescription.endswith(SUFFIX)
            assert learned == ("Reconstructed with the neural network small 1.0" in ds.ImageComments)
            assert learned or "onventional reconstruction" in ds.ImageComments or "was not used" in ds.ImageComments
            assert not learned or ds.private_block(GROUP, CREATOR)[0x01].value in ("warn", "companion")
            assert not learned or "QUALITY GATE: " in ds.ImageComments, "nobody has trained this network"


def test_nothing_that_a_network_made_arrives_unmarked() -> None:
    phases = (Phase.explicit, Phase.generate)
    case = Passages.TestCase
    case.settings = settings(max_examples=8, stateful_step_count=14, deadline=None, phases=phases, derandomize=True)
    case("runTest").runTest()
