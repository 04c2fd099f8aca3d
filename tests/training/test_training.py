"""Training lowers the error, comes back after a kill as if nothing had been, and leaves a model for recipes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from gateway.model.card import Purpose
from gateway.model.errors import BadModel, SettingsFault, UnreadableFile, WrongCall
from gateway.model.recipes import LearnedRecipe
from gateway.model.training import LossKind
from gateway.recon.engine import reconstruct
from gateway.recon.networks.ready import ReadyModel
from gateway.settings import load_plan
from gateway.training.events import checksum
from gateway.training.product import train
from gateway.training.state import STATE
from gateway.zoo.folder import CARD, WEIGHTS, check_weights
from gateway.zoo.zoo import Zoo
from tests.recon.undersampled import undersampled
from tests.running import gateway
from tests.training.plans import HEADS, NETWORK, column, plan, run


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(folder / "tiny" / WEIGHTS)


def test_supervised_training_beats_the_image_it_begins_with(tmp_path: Path) -> None:
    noisy = {**HEADS, "quietest": 0.06, "noisiest": 0.06}
    fit = {"steps": 40, "epoch": 40, "learning_rate": 3e-3, "average": 0.8}
    run(plan(seed=1, data=[noisy], n_validation=2, fit=fit), tmp_path)
    assert column(tmp_path, "score")[-1] < 0.95 * column(tmp_path, "start")[-1]


OTHERS = {
    "unet": {"method": "unet", "n_channels": 4, "n_pools": 2},
    "varnet": {"method": "varnet", "n_cascades": 1, "n_channels": 4, "n_pools": 2, "sens_channels": 2, "sens_pools": 2},
    "cascade": {"method": "cascade", "n_channels": 6, "dilations": [1, 2], "n_cascades": 2},
    "vn": {"method": "vn", "n_stages": 2, "n_filters": 4, "filter_size": 5},
    "denoiser": {"method": "denoiser", "n_channels": 6, "dilations": [1, 2]},
    "kiki": {"method": "kiki", "n_channels": 6, "dilations": [1, 2], "n_turns": 1},
    "refine": {"method": "refine", "n_channels": 4, "n_pools": 2, "attention": True, "consistency": "soft"},
}


@pytest.mark.parametrize("method", OTHERS)
def test_every_network_can_be_trained(tmp_path: Path, method: str) -> None:
    """On one slice again and again, so that a few steps show it."""
    fit = {"steps": 12, "epoch": 6, "reuse": 1000, "slab": 0, "learning_rate": 2e-3}
    run(plan(network=OTHERS[method], fit=fit), tmp_path)
    assert column(tmp_path, "loss")[1] < column(tmp_path, "loss")[0]


PRIOR = {
    "paradigm": "score",
    "network": {"method": "map", "n_channels": 8, "dilations": [1, 2], "steps": 4, "noisiest": 0.2, "quietest": 0.05},
}


DRAWN_ANEW = {LossKind.SCORE, LossKind.ADVERSARIAL}
"""Losses that change with what is drawn or with who plays against; tests of their own show that they are learned."""


@pytest.mark.parametrize("kind", [kind for kind in LossKind if kind not in DRAWN_ANEW])
def test_every_loss_falls(tmp_path: Path, kind: LossKind) -> None:
    fit = {"steps": 12, "epoch": 6, "reuse": 1000, "slab": 0, "learning_rate": 5e-3}
    run(plan(losses=[{"kind": kind}], fit=fit), tmp_path)
    assert column(tmp_path, "loss")[1] < column(tmp_path, "loss")[0]


@pytest.mark.parametrize("paradigm", ["ssdu", "zero-shot"])
def test_a_network_learns_from_lines_that_it_was_not_shown(tmp_path: Path, paradigm: str) -> None:
    fit = {"steps": 16, "epoch": 8, "learning_rate": 5e-3}
    run(plan(paradigm=paradigm, losses=[{"kind": "k-space"}], fit={**fit, "reuse": 1000, "slab": 0}), tmp_path)
    assert column(tmp_path, "loss")[1] < column(tmp_path, "loss")[0]


def test_a_prior_learns_to_take_noise_of_any_strength_off(tmp_path: Path) -> None:
    fit = {"steps": 60, "epoch": 30, "learning_rate": 5e-3, "average": 0.8}
    model = run(plan(losses=[{"kind": "score"}], n_validation=3, fit=fit, **PRIOR), tmp_path)
    assert column(tmp_path, "loss")[-1] < 0.9, "1 is the noise that was put on"
    assert column(tmp_path, "score")[-1] < column(tmp_path, "start")[-1]
    ready = ReadyModel(recipe=LearnedRecipe(model="tiny", allow_tests=True), card=model.card, weights=model.weights)
    (series,) = reconstruct(*undersampled(3), ready, device="cpu", progress=lambda *_: None)
    assert series.notes[0] == "Made by the network tiny 1 (map)."


def test_a_network_learns_to_sharpen_an_image_of_the_centre_of_k_space(tmp_path: Path) -> None:
    fit = {"steps": 40, "epoch": 40, "reuse": 1000, "slab": 0, "learning_rate": 5e-3, "average": 0.8}
    masks = {"patterns": ["centre"], "accelerations": [2]}
    quiet = {**HEADS, "noisiest": 0.001}
    network = {"method": "refine", "n_channels": 6, "n_pools": 1, "consistency": "hard"}
    run(plan(network=network, masks=masks, data=[quiet], fit=fit, losses=[{"kind": "l2"}]), tmp_path)
    assert column(tmp_path, "score")[-1] < 0.97 * column(tmp_path, "start")[-1]


def test_a_training_that_was_stopped_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole = plan(fit={"steps": 6, "epoch": 2, "reuse": 3})
    run(whole, tmp_path / "whole")
    script = f"""
import os
from pathlib import Path
from tests.training.plans import plan
from gateway.training.product import train
from gateway.zoo.zoo import Zoo
def tell(said):
    if said.startswith("step 4"):
        os._exit(9)
train(plan(fit={{"steps": 6, "epoch": 2, "reuse": 3}}), Path({str(tmp_path / "stopped")!r}), Zoo(()), tell)
"""
    killed = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert killed.returncode == 9, killed.stderr
    run(plan(fit={"steps": 6, "epoch": 2, "reuse": 3, "minutes": 9}), tmp_path / "stopped")
    for name, weight in _weights(tmp_path / "whole").items():
        assert torch.equal(weight, _weights(tmp_path / "stopped")[name]), name
    assert (tmp_path / "stopped" / "log.csv").read_text() == (tmp_path / "whole" / "log.csv").read_text()


def test_time_that_runs_out_stops_a_training_that_can_go_on(tmp_path: Path) -> None:
    said: list[str] = []
    train(plan(fit={"minutes": 1e-9}), tmp_path, Zoo(()), said.append)
    assert said == ["time is up; the model has the weights of step 0, run again to go on"]
    assert (tmp_path / STATE).exists()
    assert not (tmp_path / "log.csv").exists()


def test_training_stops_where_it_gets_no_better(tmp_path: Path) -> None:
    run(
        plan(fit={"steps": 40, "epoch": 1, "patience": 2, "learning_rate": 1.0, "average": 0.0}),
        tmp_path,
        tell=(said := list[str]()).append,
    )
    scores = column(tmp_path, "score")
    assert len(scores) < 40
    best = scores.index(min(scores)) + 1
    assert (
        said[-1] == f"no better for 2 looks: stopped after step {len(scores)}; the model has the weights of step {best}"
    )


def test_what_is_left_is_a_model_that_recipes_use_and_whose_card_says_what_it_learned_from(tmp_path: Path) -> None:
    model = run(plan(), tmp_path)
    check_weights(model)
    assert model.weights.stat().st_mode == (model.path / CARD).stat().st_mode, "who reads the one reads the other"
    assert model.card.purpose is Purpose.TESTS
    assert model.card.trained_on.synthetic
    assert "flatter" in model.card.trained_on.caveat
    ready = ReadyModel(recipe=LearnedRecipe(model="tiny", allow_tests=True), card=model.card, weights=model.weights)
    (series,) = reconstruct(*undersampled(3), ready, device="cpu", progress=lambda *_: None)
    assert series.model is not None
    assert (tmp_path / "step-0000004.png").read_bytes().startswith(b"\x89PNG")


def test_fine_tuning_begins_with_the_weights_of_a_model(tmp_path: Path) -> None:
    run(plan(fit={"steps": 30, "epoch": 30, "learning_rate": 5e-3}), tmp_path / "models")
    tuned = plan(name="tuned", start="tiny", fit={"steps": 1, "epoch": 1, "learning_rate": 1e-9})
    run(tuned, tmp_path / "tuned", tmp_path / "models")
    first = _weights(tmp_path / "models")
    for name, weight in safetensors.torch.load_file(tmp_path / "tuned" / "tuned" / WEIGHTS).items():
        torch.testing.assert_close(weight, first[name], atol=1e-6, rtol=1e-5)
    other = plan(name="tuned", start="tiny", network={**NETWORK, "n_channels": 9})
    with pytest.raises(BadModel, match="do not fit a modl"):
        run(other, tmp_path / "other", tmp_path / "models")
    with pytest.raises(BadModel, match="there is no model 'tiny'"):
        run(tuned, tmp_path / "none")


def test_a_folder_is_that_of_one_configuration_and_a_damaged_state_is_said(tmp_path: Path) -> None:
    run(plan(), tmp_path)
    with pytest.raises(WrongCall, match="another configuration"):
        run(plan(seed=5), tmp_path)
    (tmp_path / STATE).write_bytes((tmp_path / STATE).read_bytes()[:-7])
    with pytest.raises(UnreadableFile, match="damaged"):
        run(plan(), tmp_path)


def test_tensorboards_records_bear_the_checksum_of_their_standard(tmp_path: Path) -> None:
    """RFC 3720, appendix B.4, has the first; every record of a file has to end where the next begins."""
    assert checksum(bytes(32)) == 0x8A9136AA
    run(plan(), tmp_path)
    (file,) = tmp_path.glob("events.out.tfevents.*")
    content, at, n_records = file.read_bytes(), 0, 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 8], "little")
        body = content[at + 12 : at + 12 + length]
        masked = int.from_bytes(content[at + 12 + length : at + 16 + length], "little")
        crc = checksum(body)
        assert masked == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
        at, n_records = at + 16 + length, n_records + 1
    assert n_records == 3, "the version and two epochs"
    assert b"brain.Event:2" in content[:64]


HOSTILE = {
    "not TOML": ("name = ", "line"),
    "unknown key": ('colour = "red"', "unknown key"),
    "unknown network": ('network = { method = "transformer" }', "network"),
    "huge": ("fit = { steps = 100000000 }", "fit.steps"),
    "rate": ("fit = { learning_rate = nan }", "fit.learning_rate"),
    "self-taught by images": ('paradigm = "ssdu"', "its only loss is k-space"),
    "a prior taught as an image": ('network = { method = "diffusion" }', "paradigm = 'score'"),
    "no prior": ('paradigm = "score"', "no other network does"),
    "noise that grows": ('network = { method = "map", quietest = 0.5 }', "quietest must not be more"),
    "no validation": ('data = [{ kind = "scans", paths = ["a.h5"] }]', "validation is missing"),
    "a path for a name": ('name = "../../etc"', "name"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_configuration_that_cannot_be_says_why(tmp_path: Path, what: str) -> None:
    line, why = HOSTILE[what]
    good = {
        "name": 'name = "tiny"',
        "version": 'version = "1"',
        "licence": 'licence = "Apache-2.0"',
        "network": 'network = { method = "modl" }',
        "data": 'data = [{ kind = "procedural" }]',
    }
    good[line.split(" ")[0]] = line
    (tmp_path / "plan.toml").write_text("\n".join(good.values()))
    with pytest.raises(SettingsFault, match=why):
        load_plan(tmp_path / "plan.toml")


def test_the_command_trains_and_says_where_the_model_is(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(
        'name = "tiny"\nversion = "1"\nlicence = "Apache-2.0"\nn_validation = 1\n'
        'network = { method = "modl", n_channels = 4, dilations = [1], n_unrolls = 1, cg_steps = 3 }\n'
        'data = [{ kind = "procedural", matrix = [48], n_coils = [4] }]\n'
        "masks = { accelerations = [3], n_calibration = [12] }\n"
        "fit = { steps = 2, epoch = 1, slab = 16 }\n"
    )
    done = gateway("train", str(tmp_path / "plan.toml"), "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    assert "model tiny 1 in" in done.stdout
    assert "step 2 of 2: loss" in done.stderr
