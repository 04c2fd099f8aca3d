"""Joiner: who a scan is of. A person's choice counts first, then what the rule says: the scanner, or who knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.dicom.identity import corroborated, differences, identity_of_header
from gateway.dicom.lookup import Answer, Question, answers, look_up
from gateway.jobs.reconstructions import ClaimedJob, JobQueue
from gateway.model.errors import IdentityOpen, PeerRefused, PeerUnreachable, SourceSilent
from gateway.model.header import ScanHeader
from gateway.model.identity import HEADER, Candidate, Identity
from gateway.model.sources import Asked
from gateway.routing.choose import Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Who it is, and how that is known."""

    identity: Identity | None
    """None is what the scanner says."""
    why: str


BY_THE_SCANNER = Settled(identity=None, why="as the scanner says")


def identify(job: ClaimedJob, header: ScanHeader, choice: Choice, jobs: JobQueue) -> Identity | None:
    """Settle who a job's scan is of, and write down how; None is what the scanner says.

    Raises
    ------
    IdentityOpen
        A person has to choose; the candidates are in the database.
    """
    chosen = jobs.chosen(job.scan)
    if chosen is not None:
        jobs.note(job.lease, "identity", f"{chosen.key} of {chosen.source}, as a person has chosen")
        return None if chosen.source == HEADER else chosen.identity
    try:
        found = settle(header, choice, asking=lambda name: jobs.asking(job, name))
    except IdentityOpen as doubt:
        jobs.propose(job, doubt.candidates)
        raise
    if choice.rule.identity != "header":
        jobs.note(job.lease, "identity", found.why)
    return found.identity


def settle(header: ScanHeader, choice: Choice, *, asking: Callable[[str], None] = lambda _name: None) -> Settled:
    """Do what the rule says, without a person.

    Parameters
    ----------
    asking
        Hears the name of each source before it is asked.

    Raises
    ------
    IdentityOpen
        It takes one.
    """
    if choice.rule.identity == "header":
        return BY_THE_SCANNER
    said = identity_of_header(header)
    scanner = Candidate(source=HEADER, identity=said)
    if choice.rule.identity == "hold":
        found = _first_answer(choice, said, asking)
        candidates = [] if found is None else _candidates(*found, said)
        raise IdentityOpen("the rule wants a person to say who it is", [*candidates, scanner])
    found = _first_answer(choice, said, asking)
    if found is None:
        raise IdentityOpen(f"{_listed(choice.sources)}: no study fits what the scanner says", [scanner])
    name, answer = found
    candidates = _candidates(name, answer, said)
    if doubt := _doubt(candidates, answer.question, said):
        raise IdentityOpen(f"{name}, by {answer.question.by}: {doubt}", [*candidates, scanner])
    uid = answer.found[0].study_instance_uid
    return Settled(identity=answer.found[0], why=f"{name}, by {answer.question.by}: study {uid}")


def _first_answer(choice: Choice, said: Identity, asking: Callable[[str], None]) -> tuple[str, Answer] | None:
    """Ask the sources in their order until one knows anything."""
    scanner = [Candidate(source=HEADER, identity=said)]
    for name, source in choice.sources.items():
        asking(name)
        try:
            answer = look_up(source, said)
        except PeerUnreachable as fault:
            reason = f"{name} cannot be asked who the patient is: {fault}"
            raise SourceSilent(reason, scanner, patience_s=choice.rule.identity_patience_s) from fault
        except PeerRefused as fault:
            raise IdentityOpen(f"{name} does not say who the patient is: {fault}", scanner) from fault
        if answer is not None:
            return name, answer
    return None


def _candidates(name: str, answer: Answer, said: Identity) -> list[Candidate]:
    return [Candidate(source=name, identity=one, differences=differences(one, said)) for one in answer.found]


def _doubt(candidates: Sequence[Candidate], question: Question, said: Identity) -> str:
    """Say why a person has to look; nothing where the only answer agrees with the scanner."""
    if len(candidates) > 1:
        return f"{len(candidates)} studies fit"
    (only,) = candidates
    if only.differences:
        return f"the study is at odds with the scanner in {', '.join(only.differences)}"
    if not question.enough:
        return "one study fits, which may not be the one"
    if not question.alone and not corroborated(only.identity, said):
        return "nothing that the scanner says of the patient confirms the study"
    return ""


def search(sources: Mapping[str, Asked], question: Question, said: Identity) -> list[Candidate]:
    """Find more candidates, by what a person knows; whoever does not answer is an error.

    Raises
    ------
    PeerUnreachable
        A source does not answer.
    PeerRefused
        It does not let us ask.
    """
    found = ((name, one) for name, source in sources.items() for one in answers(source, question))
    return [Candidate(source=name, identity=one, differences=differences(one, said)) for name, one in found]


def _listed(sources: Mapping[str, Asked]) -> str:
    return " and ".join(sources)
