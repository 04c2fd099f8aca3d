"""Joiner 2: a job becomes images, a verdict, and a DICOM series in the outbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.blinding import blind_choice, make_blind_series
from gateway.follow import follow_checks, follow_phantom
from gateway.gate import Passage
from gateway.guidance import Guides, Means, Recorded, guide_or_reason, make_guide
from gateway.identify import identify
from gateway.jobs.charts import Origin
from gateway.jobs.noise import NoiseStore
from gateway.jobs.reconstructions import ClaimedJob, JobQueue
from gateway.jobs.studies import Studies
from gateway.model.errors import BadScan, IncompleteScan
from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.noise import NoiseCovariance
from gateway.model.reading import BlindImage
from gateway.model.readout import Acquisition
from gateway.model.recipes import GuidedTvRecipe
from gateway.model.route import Routes, Rule
from gateway.mrd import messages
from gateway.mrd.header import parse_header
from gateway.mrd.images import Told, image_messages
from gateway.mrd.stream import read_session
from gateway.recon.guide import Guide
from gateway.recon.incoming import measures_noise, obstacle
from gateway.recon.noise import is_only_noise, measure_noise
from gateway.reconstruction import Teller, Work, make_series
from gateway.routing.choose import Choice, choose
from gateway.routing.facts import Facts, facts_of
from gateway.site_noise import known_noise
from gateway.spool.exhibits import Exhibits
from gateway.spool.headstarts import Headstart, Headstarts
from gateway.spool.replies import Replies
from gateway.spool.spool import Spool
from gateway.zoo.zoo import Zoo

NOBODY_LOOKED = "no worker was idle or had started while the scan arrived, or all of it had come before one looked"


@dataclass(frozen=True, kw_only=True)
class Processor:
    """What a recon worker runs on each job. Whatever fails is raised; the worker's loop decides what follows."""

    jobs: JobQueue
    spool: Spool
    outbox: Path
    routes: Callable[[int], Routes]
    """Gets the number of their version."""
    noise: NoiseStore
    zoo: Zoo
    replies: Replies
    exhibits: Exhibits
    headstarts: Headstarts
    studies: Studies
    device: str
    memory_bytes: int | None = None
    """That a reconstruction takes at a time; None for a part of what is free."""
    noise_folder: Path | None = None
    """Where the site keeps noise scans as files."""

    def __call__(self, job: ClaimedJob) -> None:
        """Run one job to its end."""
        session = read_session(self.spool.open(job.recording, digest=job.digest), cut=True)
        header = parse_header(session.header_xml)
        facts = facts_of(header, source=job.peer, recipe_asked=job.recipe_asked)
        self.jobs.describe(job, facts.told())
        if not job.incomplete and is_only_noise(session.acquisition):
            self._keep_noise(job, session.acquisition, header)
            return
        choice, blind = self._routed(job, facts)
        if job.incomplete and choice.rule.incomplete == "hold":
            raise IncompleteScan(f"{job.incomplete}; release the job to reconstruct what came")

        noise = self._noise_for(job, header)
        noise_known = noise is not None or measures_noise(session.acquisition)
        headstart = self._headstart(job, choice, header, noise_known=noise_known)
        scan = Recorded(acquisition=session.acquisition, header=header, digest=job.digest, noise=noise)
        guide, guide_lacks = self._guide_for(job, scan, choice)
        work = Work(
            identity=identify(job, header, choice, self.jobs) if choice.project or blind is None else None,
            acquisition=session.acquisition,
            header=header,
            choice=choice,
            digest=job.digest,
            received_at=job.received_at,
            noise=noise,
            zoo=self.zoo,
            decided=lambda subject: self.jobs.rulings.decided(job.job, subject),
            shelf=headstart if headstart.begun and job.complete else None,
            blind=blind,
            guide=guide,
            guide_lacks=guide_lacks,
        )
        make = make_series if blind is None else make_blind_series
        outbox = self.outbox / str(job.job)
        try:
            tell = self._teller(job, facts, choice.rule)
            made = make(work, device=self.device, memory_bytes=self.memory_bytes, outbox=outbox, tell=tell)
        except IncompleteScan as fault:
            self.jobs.incomplete(job, str(fault))
            raise
        self._say_how_far(job, headstart)
        made = [series.below(str(job.job)) for series in made]  # a folder for each job: none replaces another's bytes
        self.jobs.succeed(job, made, list(choice.destinations), priority=choice.rule.priority)
        headstart.clear()

    def _routed(self, job: ClaimedJob, facts: Facts) -> tuple[Choice, BlindImage | None]:
        """Let the routes choose, and keep what they say."""
        routes, blind = self.routes(job.routes_version), self.studies.blind(job.job)
        choice = choose(routes, facts)
        if blind is not None:
            choice = blind_choice(choice, blind, routes)
        self.jobs.routed(job.lease, rule=choice.rule.name, recipe=choice.recipe_name, why=self._why(job, choice))
        return choice, blind

    def _teller(self, job: ClaimedJob, facts: Facts, rule: Rule) -> Teller:
        """Have all that is to be known of a job's work kept with it."""
        return Teller(
            progress=lambda fraction, doing: self.jobs.progress(job.lease, fraction, doing),
            note=lambda what, text: self.jobs.note(job.lease, what, text),
            checked=lambda shown, images: self._respond(job, shown, images),
            judged=lambda passage: self._keep_ruling(job, facts, passage),
            measurable=lambda images: self._measure_phantom(job, facts, rule, images),
        )

    def _respond(self, job: ClaimedJob, work: Work, images: Sequence[ImageSeries]) -> None:
        """Keep the images for the listener, which may be another process, where the rule has them go back."""
        if work.choice.rule.respond == "images":
            self.replies.write(job.job, _reply_of(job, work, images))
            self.jobs.note(job.lease, "images kept", "for the sender of the scan")

    def _measure_phantom(self, job: ClaimedJob, facts: Facts, rule: Rule, images: Sequence[ImageSeries]) -> None:
        """Measure a phantom, where the rule says that it is one."""
        if rule.phantom is not None:
            told = follow_phantom(self.jobs.charts, facts, _origin(job), rule, images)
            self.jobs.note(job.lease, f"phantom {rule.phantom}", told)

    def _headstart(self, job: ClaimedJob, choice: Choice, header: ScanHeader, *, noise_known: bool) -> Headstart:
        """Find what was made while the scan arrived; where it was to be streamed and was not, say why."""
        headstart = self.headstarts.of(job.scan)
        if choice.rule.stream and not headstart.begun:
            why = obstacle(choice.recipe, header, noise_known=noise_known)
            self.jobs.note(job.lease, "not streamed", why or NOBODY_LOOKED)
        return headstart

    def _say_how_far(self, job: ClaimedJob, headstart: Headstart) -> None:
        if headstart.begun:
            text = f"{headstart.n_found} images were ready when the scan was whole, of {headstart.count()} made ahead"
            self.jobs.note(job.lease, "streamed", text)

    def _keep_ruling(self, job: ClaimedJob, facts: Facts, passage: Passage) -> None:
        """Keep what the gate said, pictures before the row that tells of them, for pages and for whoever reviews."""
        self.exhibits.write(job.job, passage.exhibits)
        self.jobs.ruled(job.lease, passage.ruling)
        follow_checks(self.jobs.charts, facts, _origin(job), passage.ruling, model=passage.model)

    def _keep_noise(self, job: ClaimedJob, acquisition: Acquisition, header: ScanHeader) -> None:
        """Keep what a measurement of noise found; it makes no series, but serves the scans that name it."""
        found = measure_noise(acquisition, header)
        if found is None:
            raise BadScan("the scan is only noise, and has too few samples to measure it")
        self.noise.keep(found, job)
        self.jobs.succeed(job, [], [])

    def _noise_for(self, job: ClaimedJob, header: ScanHeader) -> NoiseCovariance | None:
        """Find the noise measurement that a scan names, else one that the site keeps, and say what became of that."""
        found, told = known_noise(header, self.noise, self.noise_folder)
        if told:
            self.jobs.note(job.lease, "noise", told)
        return found

    def _guide_for(self, job: ClaimedJob, scan: Recorded, choice: Choice) -> tuple[Guide | None, str]:
        """Find the scan that guides this one, where the recipe wants one, and make its images."""
        recipe = choice.recipe
        if not isinstance(recipe, GuidedTvRecipe):
            return None, ""
        guides = Guides(spool=self.spool, noise=lambda header: known_noise(header, self.noise, self.noise_folder)[0])
        means = Means(
            device=self.device,
            memory_bytes=self.memory_bytes,
            progress=lambda _fraction, doing: self.jobs.progress(job.lease, 0.0, f"the scan that guides: {doing}"),
            adds_table=choice.rule.table_position == "add",
        )
        among = self.jobs.earlier.before(job.scan, job.received_at, within_h=recipe.guide_within_h)
        guide, lacks = guide_or_reason(
            lambda: guides.find(scan.header, recipe, among), lambda other: make_guide(scan, other, recipe, means)
        )
        self.jobs.note(job.lease, "guide", f"{guide.name!r}, recording {guide.digest}" if guide else f"none: {lacks}")
        return guide, lacks

    def _why(self, job: ClaimedJob, choice: Choice) -> str:
        return "; ".join([f"routes version {job.routes_version}", *choice.why])


def _origin(job: ClaimedJob) -> Origin:
    return Origin(scan=job.scan, job=job.job, at=job.received_at)


def _reply_of(job: ClaimedJob, work: Work, images: Sequence[ImageSeries]) -> Iterator[bytes]:
    """Write images, and at their end a sentence, as they go back to the sender."""
    recipe = work.choice.recipe_name
    heads = work.acquisition[0].heads
    told = Told(
        recipe=recipe,
        description=work.choice.series_description(work.header),
        measurement_uid=int(heads["measurement_uid"][0]),
    )
    for number, series in enumerate(images, 1):
        yield from image_messages(series, number, told, work.header)
    n_images = sum(len(series.frames) for series in images)
    yield messages.text(f"images of job {job.job}, recipe {recipe}: {n_images}")
