"""What is done with images that fail a check (``[policies.NAME]`` in ``routes.toml``)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.model.gate import Action, Check, Grade
from gateway.model.table import Table

OnWarning = Literal[Action.SEND, Action.WARN, Action.COMPANION, Action.REPLACE, Action.HOLD]
OnFailure = Literal[Action.WARN, Action.COMPANION, Action.REPLACE, Action.HOLD]
"""Images that fail are never sent as if nothing was: ``send`` is not among these."""


class Answer(Table):
    """What follows from one check."""

    warn: OnWarning = Action.WARN
    """Where its value is doubtful."""
    fail: OnFailure = Action.HOLD
    """Where its value is bad."""
    unchecked: OnWarning = Action.WARN
    """Where it could not be made."""

    def to(self, grade: Grade) -> Action:
        """Look up what a grade leads to."""
        if grade is Grade.PASS:
            return Action.SEND
        action: Action = getattr(self, grade.value)
        return action


class Limits(Table):
    """Where a check's value becomes doubtful, and where bad, instead of what was calibrated."""

    warn_above: Annotated[float, Field(allow_inf_nan=False)]
    """Doubtful."""
    fail_above: Annotated[float, Field(allow_inf_nan=False)]
    """Bad."""

    @model_validator(mode="after")
    def _doubt_comes_first(self) -> Self:
        if self.warn_above > self.fail_above:
            raise ValueError("warn_above must not be more than fail_above")
        return self


UNASKED = Answer(unchecked=Action.SEND)
"""For checks that not every scan allows."""


class Policy(Table):
    """What is done with the images of learned recipes; by default whatever fails waits for a person."""

    consistency: Answer = Answer()
    """The image disagrees with what was measured, somewhere."""
    structure: Answer = Answer()
    """The image disagrees with what was measured in one place far more than elsewhere."""
    detail: Answer = Answer(fail=Action.COMPANION)
    """The image lacks detail that was measured: it was smoothed."""
    lines: Answer = Answer()
    """The image disagrees with a line of k-space."""
    coils: Answer = Answer()
    """The image disagrees with what one coil measured."""
    halves: Answer = UNASKED
    """The halves of k-space tell of different patients: one who moved."""
    sampling: Answer = UNASKED
    """Fewer lines are there than the header says."""
    clipping: Answer = UNASKED
    """A receiver overflowed: samples were cut off at its largest value."""
    together: Answer = Answer(fail=Action.COMPANION, unchecked=Action.SEND)
    """Several checks find the image doubtful at once."""
    held_out: Answer = Field(default=UNASKED, alias="held-out")
    """Lines that were kept from the method are not what its image says."""
    agreement: Answer = Answer(fail=Action.COMPANION)
    """The image differs from the conventional one by more than noise."""
    response: Answer = UNASKED
    """Small details vanish, or grow, or change something elsewhere."""
    uncertainty: Answer = Answer(fail=Action.WARN, unchecked=Action.SEND)
    """Large parts of the image are uncertain."""
    range: Answer = Answer(fail=Action.REPLACE, unchecked=Action.SEND)
    """The scan is not like those that the model learned from."""
    orientation: Answer = Answer()
    """The image is mirrored or turned."""
    ghosting: Answer = Answer(unchecked=Action.SEND)
    """There are copies of the patient in the air."""
    thresholds: dict[Check, Limits] = Field(default_factory=dict)
    """Limits of this site, by check."""
    uncertainty_series: bool = False
    """Send how far the image may be from the truth as a series of its own."""
    reruns: Literal["affordable", "always", "never"] = "affordable"
    """Whether ``response`` and ``held-out``, which each reconstruct an image again, are made: as many of the two as add
    up to a quarter of the scan's images at the most, or always, or never."""

    def answer(self, check: Check) -> Answer:
        """Find what follows from a check."""
        answer: Answer = getattr(self, check.name.lower())
        return answer


DEFAULT = "default"
"""Name of the policy of a rule that names none; a table of this name changes it."""
