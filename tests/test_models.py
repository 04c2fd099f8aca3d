"""Learned models as a person meets them: listed, imported, named by a recipe, held when they are not what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
import pytest
import tomlkit
import torch

from gateway.dicom.learned import IMAGE_TYPE, SUFFIX
from gateway.dicom.ruling import CREATOR, GROUP
from gateway.recon.networks.architectures import build
from tests.recon.undersampled import HEAD
from tests.recordings import put_phantom
from tests.running import configured, gateway, running
from tests.zoo.models import SMALL_UNET, put_model


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Routes whose only rule names a model, and that model in the site's folder."""
    config = configured(tmp_path / "site", {"folder": {"kind": "folder", "path": "series"}})
    put_model(config.parent / "gateway-data" / "models")
    routes = tomlkit.parse((config.parent / "routes.toml").read_text()).unwrap()
    routes["recipes"] = {"fft": {"method": "learned", "model": "small", "fallback": {"method": "fft"}}}
    (config.parent / "routes.toml").write_text(tomlkit.dumps(routes))
    return config


def put_policy(config: Path, **policy: object) -> None:
    """Say what is done with images that fail."""
    routes = tomlkit.parse((config.parent / "routes.toml").read_text()).unwrap()
    routes["policies"] = {"default": policy}
    (config.parent / "routes.toml").write_text(tomlkit.dumps(routes))


WARN_ALWAYS = {
    name: {"fail": "warn"}
    for name in (
        "consistency",
        "structure",
        "detail",
        "lines",
        "coils",
        "halves",
        "sampling",
        "clipping",
        "together",
        "agreement",
        "orientation",
        "ghosting",
    )
}


def test_a_learned_series_arrives_with_its_marks(config: Path, tmp_path: Path) -> None:
    put_policy(config, **WARN_ALWAYS)
    scan = put_phantom(tmp_path / "head.mrd", HEAD)
    with running(config) as site:
        assert site.send(scan).returncode == 0
        story = site.settled()
    assert story["job"]["state"] == "DONE", story
    (file,) = (config.parent / "series").rglob("*.dcm")
    instance = pydicom.dcmread(file)
    assert instance.ImageComments.startswith("QUALITY GATE: "), "a network that nobody trained"
    assert instance.private_block(GROUP, CREATOR)[0x01].value == "warn"
    assert instance.SeriesDescription.endswith(SUFFIX)
    assert instance.ImageType[-1] == IMAGE_TYPE
    assert "small 1.0" in instance.ImageComments


def test_weights_that_are_not_those_of_the_card_hold_the_job_and_nothing_else(config: Path, tmp_path: Path) -> None:
    weights = config.parent / "gateway-data" / "models" / "small" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    scan = put_phantom(tmp_path / "head.mrd", HEAD)
    with running(config) as site:
        assert site.send(scan).returncode == 0
        story = site.settled()
        assert story["job"]["state"] == "HELD"
        assert "the weights of small 1.0 have sha256" in json.dumps(story)
    listed = gateway("models", "list", "--config", config)
    assert listed.returncode == 1
    assert "not those of its card" in listed.stdout
    checked = gateway("models", "verify", "--config", config)
    assert checked.returncode == 1
    assert "small: the weights of small 1.0 are not those of its card" in checked.stdout
    assert "heads: whole" in checked.stdout
    assert gateway("models", "verify", "heads", "--config", config).returncode == 0
    unknown = gateway("models", "verify", "nobodys", "--config", config)
    assert (unknown.returncode, "there is no model 'nobodys'" in unknown.stdout) == (1, True)


def test_a_checkpoint_becomes_a_model_for_tests(tmp_path: Path) -> None:
    config = configured(tmp_path / "site", {})
    torch.save(build(SMALL_UNET).state_dict(), tmp_path / "published.pt")
    options = ("--name", "published", "--licence", "MIT", "--trained-on", "fastMRI knees", "--config", config)
    done = gateway("models", "import", tmp_path / "published.pt", *options)
    assert done.returncode == 0, done.stderr
    models = json.loads(gateway("models", "list", "--json", "--config", config).stdout)
    listed = next(each for each in models if each["name"] == "published")
    assert (listed["network"], listed["purpose"], listed["fault"]) == ("unet", "training and tests", "")
    again = gateway("models", "import", tmp_path / "published.pt", *options)
    assert (again.returncode, "already" in again.stderr) == (2, True)
    folder = config.parent / "gateway-data" / "models"
    assert sorted(path.name for path in folder.iterdir()) == ["published"]


def test_a_checkpoint_that_is_none_leaves_nothing_behind(tmp_path: Path) -> None:
    config = configured(tmp_path / "site", {})
    (tmp_path / "letter.pt").write_text("dear colleague")
    options = ("--name", "x", "--licence", "?", "--trained-on", "?", "--config", config)
    done = gateway("models", "import", tmp_path / "letter.pt", *options)
    assert done.returncode == 1
    assert "is no checkpoint" in done.stderr
    assert not list((config.parent / "gateway-data" / "models").iterdir())
