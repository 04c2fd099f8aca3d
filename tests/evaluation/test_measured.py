"""What was measured goes onto the cards of the site's own models."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from gateway.evaluation.compare import Masking, Trial
from gateway.evaluation.measured import measured
from gateway.model.training import Pattern
from gateway.zoo.folder import read_folder
from gateway.zoo.zoo import SHIPPED
from tests.recon.undersampled import HEAD
from tests.recordings import put_phantom
from tests.running import gateway

R4 = Masking(pattern=Pattern.EQUISPACED, acceleration=4, n_calibration=24)
R8 = replace(R4, acceleration=8)
LEARNED = {"net": "heads", "net-halved": "heads", "other": "unet"}


def _trial(recipe: str, nrmse: float | None, masking: Masking = R4) -> Trial:
    values: Mapping[str, float] = {} if nrmse is None else {"nrmse_object": nrmse, "ssim_object": 1 - nrmse}
    nothing = np.zeros((1, 1, 1))
    return Trial(
        scan="head", masking=masking, recipe=recipe, values=values, seconds=1, refused="", image=None, truth=nothing
    )


def test_a_model_stands_beside_the_best_conventional_recipe_of_the_same_scan() -> None:
    trials = [
        _trial("sense", 0.2), _trial("net", 0.05), _trial("net-halved", 0.06), _trial("l1", 0.1), _trial("other", None),
        _trial("sense", None, R8), _trial("l1", None, R8), _trial("net", 0.3, R8),
    ]  # fmt: skip
    found = measured(trials, LEARNED)
    assert found.keys() == {"heads"}, "what refused has no figures"
    (row,) = found["heads"]
    assert (row.nrmse, row.conventional, row.conventional_nrmse, row.conventional_ssim) == (0.05, "l1", 0.1, 0.9)
    assert (row.data, row.acceleration) == ("head, equispaced, 24 calibration lines", 4)


ROUTES = """
rules = [{ name = "everything", recipe = "l1", destinations = ["folder"] }]
[recipes]
net = { method = "learned", model = "heads", allow_tests = true }
l1 = { method = "sense" }
[destinations.folder]
kind = "folder"
path = "series"
"""
ASKED = "evaluate head.h5 --out out --recipe net --recipe l1 --mask equispaced:3:20 --config gateway.toml --write"


def test_evaluate_writes_it_into_the_card_and_leaves_all_else(tmp_path: Path) -> None:
    put_phantom(tmp_path / "head.h5", HEAD)
    (tmp_path / "gateway.toml").write_text('models.folder = "models"\nroutes.file = "routes.toml"\n')
    (tmp_path / "routes.toml").write_text(ROUTES)
    refused = gateway(*ASKED.split(), cwd=tmp_path)
    assert refused.returncode, "what ships stays as it is"
    assert "copy" in refused.stderr
    assert not (tmp_path / "out").exists(), "it says so before the work, not after"
    shutil.copytree(SHIPPED / "heads", tmp_path / "models" / "heads")
    before = read_folder(tmp_path / "models" / "heads").card
    done = gateway(*ASKED.split(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    after = read_folder(tmp_path / "models" / "heads").card
    (row,) = after.measured
    assert (row.conventional, row.data) == ("l1", "head, equispaced, 20 calibration lines")
    assert 0 < row.nrmse < 1
    assert after.model_copy(update={"measured": before.measured}) == before
