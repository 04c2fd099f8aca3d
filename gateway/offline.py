"""Reconstruct a file without a server: the same DICOM files, the same UIDs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from gateway.guidance import Means, Recorded, guide_from_file, make_guide
from gateway.identify import settle
from gateway.jobs.clock import utc_now
from gateway.model.errors import UnreadableFile, WrongCall
from gateway.model.header import ScanHeader
from gateway.model.readout import Acquisition
from gateway.model.recipes import GuidedTvRecipe, RouteRecipe
from gateway.model.route import Routes
from gateway.mrd.files import stream_of
from gateway.mrd.header import parse_header
from gateway.recon.engine import Ready
from gateway.reconstruction import Work, ready
from gateway.routing.choose import choose
from gateway.routing.facts import facts_of
from gateway.site_noise import site_noise
from gateway.spool.digest import Digest
from gateway.zoo.zoo import Zoo


def work_from_file(path: Path, *, routes: Routes, zoo: Zoo, recipe: str, noise_folder: Path | None = None) -> Work:
    """Read the scan in a file and choose its route; its UIDs derive from the bytes that `gateway send` would send.

    Raises
    ------
    UnreadableFile
        The file holds no scan.
    GatewayError
        Its header cannot be understood, no route fits, or the rule cannot settle who the patient is.
    """
    scan = _recorded(path, recipe, noise_folder)
    choice = choose(routes, facts_of(scan.header, source="", recipe_asked=recipe))
    return Work(
        acquisition=scan.acquisition,
        header=scan.header,
        choice=choice,
        identity=settle(scan.header, choice).identity,
        digest=scan.digest,
        received_at=utc_now(),
        noise=scan.noise,
        zoo=zoo,
    )


def guided_by_file(work: Work, path: Path, *, means: Means, noise_folder: Path | None = None) -> Work:
    """Let the scan in another file guide the work.

    Raises
    ------
    WrongCall
        The recipe takes no guide.
    GatewayError
        The other scan cannot guide this one; a person who names it wants to know.
    """
    recipe = work.choice.recipe
    if not isinstance(recipe, GuidedTvRecipe):
        raise WrongCall(f"recipe {work.choice.recipe_name!r} takes no guide; one of method guided-tv does")
    mine = Recorded(acquisition=work.acquisition, header=work.header, digest=work.digest, noise=work.noise)
    means = replace(means, adds_table=work.choice.rule.table_position == "add")
    other = guide_from_file(path, work.header, lambda file: _recorded(file, "", noise_folder))
    return replace(work, guide=make_guide(mine, other, recipe, means))


class Named(Protocol):
    """A scan that recipes are tried on."""

    @property
    def name(self) -> str:
        """What to call it."""

    @property
    def acquisition(self) -> Acquisition:
        """Its readouts."""

    @property
    def header(self) -> ScanHeader:
        """Its header."""


def ready_for(
    scans: Sequence[Named], recipes: Mapping[str, RouteRecipe], zoo: Zoo, guide: Path | None, *, device: str
) -> dict[str, Ready]:
    """Give recipes all that they name, to be tried on some scans; those that want a guide, the scan in a file.

    Raises
    ------
    GatewayError
        There is no such model, or the guide cannot guide one of the scans.
    """
    means, made = Means(device=device, memory_bytes=None, progress=lambda *_: None), {}
    for name, recipe in recipes.items():
        found = None
        if isinstance(recipe, GuidedTvRecipe) and guide is not None:
            for one in scans:
                mine = Recorded(acquisition=one.acquisition, header=one.header, digest=one.name)
                other = guide_from_file(guide, one.header, lambda file: _recorded(file, "", None))
                found = make_guide(mine, other, recipe, means)
        made[name] = ready(recipe, zoo, found)
    return made


def _recorded(path: Path, recipe: str, noise_folder: Path | None) -> Recorded:
    """Read the scan in a file, with the digest of the bytes by which it would be sent."""
    scan, stream = stream_of(path, recipe)
    if not scan.header_xml:
        raise UnreadableFile(path, "holds no header")
    digest = Digest()
    for piece in stream:
        digest.take(piece)
    header = parse_header(scan.header_xml)
    return Recorded(
        acquisition=scan.acquisition, header=header, digest=str(digest), noise=site_noise(noise_folder, header)
    )
