"""Learned slabs and radial images leave checked, and broken ones as the policy says: from a recording to the PACS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gateway.dicom.learned import IMAGE_TYPE
from gateway.dicom.ruling import CREATOR, GROUP
from gateway.model.card import Encoded, MadeFor
from gateway.model.gate import Action, Check, Grade
from gateway.model.job import JobState
from gateway.model.networks import DenoiserNetwork, RefineNetwork
from gateway.model.policy import Answer, Policy
from gateway.model.recipes import CgNufftRecipe, L1WaveletRecipe, LearnedRecipe
from gateway.recon.checks.evidence import RERUN
from tests.dicom.scripted import scripted_pacs
from tests.recon import test_checks_scattered as scattered, test_checks_slabs as slabs
from tests.recon.undersampled import Scan
from tests.studio import MODEL, Archive, Studio

NOT_OF_ALL = {Check.SAMPLING, Check.RANGE, Check.GHOSTING, *RERUN}
"""Headers and cards that do not say, images without air, and too few images to make some again."""

WITHOUT_PICTURE = {Check.SAMPLING, Check.CLIPPING, Check.RANGE, Check.TOGETHER, Check.ORIENTATION}
"""Numbers against numbers, which the note tells; and whether two images that are shown lie alike."""


class Slabs(Studio):
    """A network that nobody trained, plane by plane: SENSE, and the measured samples put back."""

    network = RefineNetwork(n_channels=4, n_pools=2, consistency="hard")
    recipe = LearnedRecipe(model=MODEL, fallback=L1WaveletRecipe())
    made_for = MadeFor(encoded=(Encoded.SLABS,))


class Spokes(Studio):
    """A denoiser that nobody trained, after iterative SENSE."""

    network = DenoiserNetwork(n_channels=4, dilations=(1,))
    recipe = LearnedRecipe(model=MODEL, after=CgNufftRecipe(), fallback=CgNufftRecipe())


def spiked(scan: Scan) -> Scan:
    (readouts,), header = scan
    samples = readouts.samples.copy()
    samples[4, :, samples.shape[2] // 2 + 6] += np.abs(samples).max() * 0.4
    return (replace(readouts, samples=samples),), header


SCANS: dict[type[Studio], Scan] = {Slabs: slabs.scan(), Spokes: scattered.scan()}


@pytest.fixture
def archive() -> Archive:
    return Archive()


@pytest.fixture(params=SCANS, ids=lambda one: one.__name__.lower())
def studio(request: pytest.FixtureRequest, tmp_path: Path, archive: Archive) -> Iterator[Studio]:
    with scripted_pacs(archive) as (port, _):
        studio: Studio = request.param(tmp_path, port, Policy())
        yield studio
        studio.engine.dispose()


def settle(studio: Studio, scan: Scan) -> JobState:
    job = studio.arrive(1, scan)
    for _ in range(4):
        studio.work_if_due()
        studio.deliver_if_due()
    return studio.queries.job(job).state


def test_a_good_image_leaves_with_every_check_made(studio: Studio, archive: Archive) -> None:
    policy = Policy(reruns="always", uncertainty_series=True)
    studio.put_policy(policy)
    assert settle(studio, SCANS[type(studio)]) is JobState.DONE
    (job,) = studio.queries.jobs()
    view = studio.queries.ruling(job.id)
    assert view is not None
    unchecked = {one.check for one in view.ruling.assessments if one.grade is Grade.UNCHECKED}
    assert unchecked <= NOT_OF_ALL - set(RERUN)
    assert not [one for one in view.ruling.assessments if one.grade is Grade.FAIL]
    shelves = {one.title.split(",")[0]: one for one in studio.processor.exhibits.shelves(job.id)}
    n_images = len([ds for ds in archive.got if "UNCERTAINTY MAP" not in ds.ImageType])
    assert shelves["contradicts the data (standard deviations)"].count == n_images
    assert {"response to details put in", "not predicted (lines held out)"} <= shelves.keys()
    pictured = {one.check: one for one in studio.processor.exhibits.shelves(job.id) if one.check}
    made = {one.check for one in view.ruling.assessments if one.grade is not Grade.UNCHECKED}
    assert made - pictured.keys() <= WITHOUT_PICTURE
    assert {one.check for one in pictured.values() if not one.placed} == {Check.LINES, Check.COILS}
    assert all(len(one.marks) in {0, one.count} for one in pictured.values())
    assert pictured[Check.STRUCTURE].marks
    assert not pictured[Check.LINES].marks
    for ds in archive.got:
        assert IMAGE_TYPE in ds.ImageType
        told = json.loads(ds.private_block(GROUP, CREATOR)[0x04].value)
        assert told["consistency"]["grade"] == "pass"


@pytest.mark.parametrize("action", [Action.HOLD, Action.REPLACE])
def test_an_image_of_broken_data_is_held_or_replaced_as_the_policy_says(
    studio: Studio, archive: Archive, action: Action
) -> None:
    answer = Answer(fail=action)
    studio.put_policy(Policy(reruns="never", lines=answer, consistency=answer, structure=answer, together=answer))
    state = settle(studio, spiked(SCANS[type(studio)]))
    assert state is (JobState.HELD if action is Action.HOLD else JobState.DONE)
    assert not [ds for ds in archive.got if IMAGE_TYPE in ds.ImageType]
    assert bool(archive.got) is (action is Action.REPLACE)
