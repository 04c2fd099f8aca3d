"""Models are found by name, and used only if they are what their cards say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.model.card import MadeFor
from gateway.model.errors import BadModel
from gateway.model.match import Range
from gateway.zoo.folder import CARD, WEIGHTS, card_text, read_folder
from gateway.zoo.zoo import Zoo
from tests.zoo.models import card, put_model


def test_a_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    made_for = MadeFor(body_parts=("*HEAD*",), acceleration=Range(at_least=2, at_most=4.5))
    put_model(tmp_path, made_for=made_for)
    assert read_folder(tmp_path / "small").card.made_for == made_for
    assert Zoo([tmp_path]).checked("small").card.label == "small 1.0"


def test_a_sites_own_model_hides_one_that_ships(tmp_path: Path) -> None:
    for folder in ("own", "shipped"):
        put_model(tmp_path / folder)
    zoo = Zoo([tmp_path / "own", tmp_path / "shipped", tmp_path / "nowhere"])
    assert zoo.names() == ["small"]
    assert zoo.find("small").path == tmp_path / "own" / "small"


def test_an_unknown_name_is_told_the_known_ones(tmp_path: Path) -> None:
    put_model(tmp_path)
    with pytest.raises(BadModel, match="no model 'smal'; there are: small"):
        Zoo([tmp_path]).find("smal")


def test_weights_larger_than_any_are_refused_by_their_size_before_a_byte_is_read(tmp_path: Path) -> None:
    put_model(tmp_path)
    os.truncate(tmp_path / "small" / WEIGHTS, 10 << 30)  # a hole: takes no room on the disk, but minutes to hash
    with pytest.raises(BadModel, match="larger than 2 GiB"):
        Zoo([tmp_path]).checked("small")


def test_weights_with_another_hash_are_refused(tmp_path: Path) -> None:
    put_model(tmp_path)
    weights = tmp_path / "small" / WEIGHTS
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(BadModel, match="not those of its card"):
        Zoo([tmp_path]).checked("small")
    weights.unlink()
    with pytest.raises(BadModel, match="cannot be read"):
        Zoo([tmp_path]).checked("small")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "is not TOML"),
        ("name = 'small'", "version: Field required; purpose: Field required"),
        (card_text(card()) + "\nsurprise = 1\n", "surprise"),
        (card_text(card()).replace("unet", "transformer"), "network"),
        (card_text(card(name="other")), "is the card of 'other'"),
        ("#" * (2 << 20), "larger than any card"),
    ],
)
def test_a_bad_card_says_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / CARD).write_text(text)
    with pytest.raises(BadModel, match=said):
        Zoo([tmp_path]).find("small")
