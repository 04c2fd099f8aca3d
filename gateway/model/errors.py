"""Everything that can go wrong, as one tree.

::

    GatewayError
    ├── WrongCall             the person called us wrongly: exit code 2
    │   ├── SettingsFault       gateway.toml or the environment says something impossible
    │   ├── RoutesFault         routes.toml says something impossible
    │   ├── NothingThere        nothing has this name or number
    │   ├── ReasonMissing       a person has to say why
    │   ├── Overtaken           something else has happened meanwhile, and what was asked no longer fits
    │   └── UnreadableFile      the file given is not what it should be
    ├── BadStream             the bytes are not an MRD session
    ├── BadHeader             the MRD header cannot be understood
    ├── BadScan               the readouts cannot become an image: hold for a person
    │   └── IncompleteScan      lines are missing, or the scanner never said that it was done
    ├── BadModel              a learned model cannot be used: hold for a person
    ├── TooLittleMemory       the scan fits no memory, however it is cut (transient, and after a while for a person)
    ├── ImageRefused          the image failed its checks: hold for a person
    │   └── ReviewWanted        the policy wants a person to look before it leaves
    ├── NoRoute               no rule and no recipe fit: hold for a person
    ├── IdentityOpen          nobody knows for certain whose scan it is: hold for a person
    │   └── SourceSilent        who should know does not answer (transient, and after a while for a person)
    ├── SendError             a destination did not take the series
    │   ├── PeerUnreachable     nobody answered, or the outcome is unknown (transient)
    │   ├── PeerRefused         it answered, and the answer is no
    │   └── Unconfirmed         it says it has an instance already, and does not show it: hold for a person
    ├── DamagedFile           a file in the outbox is not what was written: hold for a person
    ├── NotVouched            an identity provider vouches for nobody who may come in
    ├── NotTold               a webhook or a mail server did not take a message (transient)
    ├── StorageFault          disk or database failed us (transient)
    ├── AuditBroken           the audit trail is not what was written
    ├── LostLease             another worker owns the job now: stop, write nothing
    └── IllegalTransition     the state does not allow this event

A class says what happened. ``transient`` says whether time can heal it, ``held`` whether a person can. Whatever is
raised and is not a `GatewayError` is a bug: recorded, never retried. Messages name ids, never patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from gateway.model.identity import Candidate


class GatewayError(Exception):
    """The root of the tree."""

    transient: ClassVar[bool] = False
    held: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1
    patience_s: float | None = None
    """Of what is transient: how long it is tried again before a person decides; without it, as long as anything is."""


class WrongCall(GatewayError):
    """The person called us wrongly."""

    exit_code = 2


class SettingsFault(WrongCall):
    """The settings say something impossible; all faults at once."""

    def __init__(self, source: str, faults: list[str]) -> None:
        super().__init__("\n".join([f"{source}: {len(faults)} fault(s)", *(f"  {fault}" for fault in faults)]))
        self.faults = faults


class RoutesFault(SettingsFault):
    """The routes say something impossible; all faults at once."""


class NothingThere(WrongCall):
    """Nothing has this name or number."""


class ReasonMissing(WrongCall):
    """A person has to say why."""


class Overtaken(WrongCall):
    """Something else has happened meanwhile, and what was asked no longer fits."""


class UnreadableFile(WrongCall):
    """The file given is not what it should be."""

    def __init__(self, path: object, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.why = why


class BadStream(GatewayError):
    """The bytes are not an MRD session; from here on nothing in the stream can be trusted."""

    def __init__(self, offset: int, why: str) -> None:
        super().__init__(f"byte {offset}: {why}")
        self.offset = offset
        self.why = why


class BadHeader(GatewayError):
    """The MRD header cannot be understood."""

    held = True


class BadScan(GatewayError):
    """The readouts cannot become an image that anybody should see."""

    held = True


class IncompleteScan(BadScan):
    """Lines are missing, by the counters of those that came, or the scanner never said that it was done."""


class BadModel(GatewayError):
    """A learned model cannot be used: it is not there, or is not what its card says."""

    held = True


class TooLittleMemory(GatewayError):
    """Memory ran out, however little was taken at a time; other work may have it, so it is tried again for a while."""

    transient = True
    held = True
    patience_s = 900


class ImageRefused(GatewayError):
    """The image failed its checks."""

    held = True


class ReviewWanted(ImageRefused):
    """The policy wants a person to look at the image before it leaves."""


class NoRoute(GatewayError):
    """No rule matches the scan, or nobody knows the recipe it asks for."""

    held = True


class IdentityOpen(GatewayError):
    """Nobody knows for certain who the patient is, or which study it is."""

    held = True

    def __init__(self, reason: str, candidates: Sequence[Candidate]) -> None:
        super().__init__(reason)
        self.candidates = tuple(candidates)


class SourceSilent(IdentityOpen):
    """A source that should know who the patient is does not answer; after ``patience_s`` a person decides."""

    transient = True

    def __init__(self, reason: str, candidates: Sequence[Candidate], *, patience_s: float) -> None:
        super().__init__(reason, candidates)
        self.patience_s = patience_s


class SendError(GatewayError):
    """A destination did not take the series."""


class PeerUnreachable(SendError):
    """Nobody answered, or the outcome is unknown."""

    transient = True


class PeerRefused(SendError):
    """The peer answered, and the answer is no."""


class Unconfirmed(SendError):
    """The peer says that it has an instance already, and does not show it."""

    held = True


class DamagedFile(GatewayError):
    """A file in the outbox is missing, or not what was written."""

    held = True


class NotVouched(GatewayError):
    """An identity provider does not answer, or vouches for nobody who may come in."""


class NotTold(GatewayError):
    """A webhook or a mail server did not take a message."""

    transient = True


class StorageFault(GatewayError):
    """Disk or database failed us."""

    transient = True


class AuditBroken(GatewayError):
    """The audit trail is not what was written: a line was changed, taken out or put in."""


class LostLease(GatewayError):
    """Another worker owns the work now."""


class IllegalTransition(GatewayError):
    """The state does not allow this event."""

    exit_code = 2

    def __init__(self, state: str, event: str) -> None:
        super().__init__(f"{state} does not allow {event}")
        self.state = state
        self.event = event
