"""Recordings of slabs (3D) teach by their planes, as they are reconstructed plane by plane in use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gateway.model.card import Encoded
from gateway.model.errors import BadScan
from gateway.model.training_data import ScanData
from gateway.mrd.header import write_header
from gateway.mrd.stream import RecordedSession, write_session
from gateway.recon.fourier import inverse_fourier
from gateway.recon.networks.observed import bright_part
from gateway.training.lessons import whole_lesson
from gateway.training.losses import error_over_object
from gateway.training.masking import masked
from gateway.training.simulation import PLANE, FullSlice
from gateway.training.sources import source_of
from gateway.training.stacks import frames_of
from tests.recon.scans import fft
from tests.recon.slabs import header_of, slab
from tests.training.plans import column, plan, run

EVERY = np.ones((16, 32), np.bool_)
TWO = {"directions": [2], "accelerations": [2], "n_calibration": [8]}


def _put(path: Path, keep: npt.NDArray[np.bool_] = EVERY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    run_of = slab(keep, noise=1e-3)
    session = RecordedSession(header_xml=write_header(header_of()), recipe_asked="", acquisition=(run_of,))
    path.write_bytes(b"".join(write_session(session)))
    return path


def _planes(file: Path, n: int = 6) -> list[FullSlice]:
    draw, random = source_of(ScanData(paths=(file,))), np.random.default_rng(2)
    return [draw(random) for _ in range(n)]


def _inside() -> npt.NDArray[np.bool_]:
    """Keep what lies within an ellipse."""
    z, y = np.ogrid[-8:8, -16:16]
    return np.asarray(np.hypot(z / 8, y / 16) <= 1)


def test_planes_of_a_slab_are_those_of_its_image(tmp_path: Path) -> None:
    volume = fft((slab(EVERY, noise=1e-3),), header_of()).pixels
    planes = [volume[..., x] for x in range(volume.shape[-1])]
    for full in _planes(_put(tmp_path / "slab.mrd")):
        assert full.axes == PLANE
        assert full.data.shape == (8, 32, 16)
        image = torch.linalg.vector_norm(inverse_fourier(full.data, PLANE), dim=0).T.numpy()
        alike = [float((image * one).sum() / np.linalg.norm(image) / np.linalg.norm(one)) for one in planes]
        assert max(alike) > 0.999
        best = planes[int(np.argmax(alike))]
        assert np.linalg.norm(best) > 0.05 * max(np.linalg.norm(one) for one in planes), "air teaches nothing"


def test_all_planes_are_in_the_unit_of_their_slab(tmp_path: Path) -> None:
    planes = _planes(_put(tmp_path / "slab.mrd"))
    assert len({full.bright for full in planes}) == 1
    chosen = plan(masks=TWO)
    with torch.no_grad():
        lessons = [whole_lesson([masked(full, chosen, np.random.default_rng(1))]) for full in planes]
    brightest = [float(bright_part(truth)[0]) for _, truth in lessons]
    assert max(brightest) > 1.2 * min(brightest), "dark planes stay darker than bright ones"
    assert max(brightest) < 2
    assert all(error_over_object(lesson.shown.start, truth) < 0.5 for lesson, truth in lessons)


def test_corners_that_no_slab_measures_are_not_missing(tmp_path: Path) -> None:
    (full, *_) = _planes(_put(tmp_path / "slab.mrd", _inside()))
    assert full.whole
    assert not full.filled.all()
    taught = masked(full, plan(masks=TWO), np.random.default_rng(1))
    assert not (taught.filled & ~full.filled).any()


def test_points_that_are_missing_teach_by_themselves_alone(tmp_path: Path) -> None:
    holes = EVERY.copy()
    holes[::2, ::2] = False
    holes[4:12, 10:22] = True
    (full, *_) = _planes(_put(tmp_path / "slab.mrd", holes))
    assert not full.whole
    with pytest.raises(BadScan, match="supervised training needs every line"):
        masked(full, plan(masks=TWO), np.random.default_rng(1))
    taught = masked(full, plan(masks=TWO, paradigm="ssdu", losses=[{"kind": "k-space"}]), np.random.default_rng(1))
    assert not (taught.filled & taught.counted).any()


def test_slabs_are_not_taken_for_slices(tmp_path: Path) -> None:
    (full, *_) = _planes(_put(tmp_path / "slab.mrd"), 1)
    with pytest.raises(BadScan, match=r"masks.directions = \[2\]"):
        masked(full, plan(), np.random.default_rng(1))
    stack = plan(network={"method": "stack", "n_channels": 4, "dilations": [1], "along": "slices"})
    with pytest.raises(BadScan, match="a stack learns from slices"):
        frames_of(full, stack, np.random.default_rng(1))


def test_recordings_of_slabs_train_a_network_for_slabs(tmp_path: Path) -> None:
    learn, judge = _put(tmp_path / "learn" / "one.mrd"), _put(tmp_path / "judge" / "two.mrd")
    model = run(
        plan(
            data=[{"kind": "scans", "paths": [str(learn)]}],
            validation=[{"kind": "scans", "paths": [str(judge.parent)]}],
            masks=TWO,
            fit={"steps": 12, "epoch": 3, "learning_rate": 3e-3, "reuse": 100},
        ),
        tmp_path / "run",
    )
    losses = column(tmp_path / "run", "loss")
    assert losses[-1] < losses[0]
    assert model.card.made_for.encoded == (Encoded.SLABS,)
    assert not model.card.trained_on.synthetic
