"""The conventional image beside a learned one is found out once, is the same whoever asks, and is of no other scan."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch

from gateway.model.gate import Check
from gateway.model.image import ImageSeries
from gateway.model.recipes import LearnedRecipe
from gateway.model.zyx import Zyx
from gateway.recon.checks.evidence import Evidence
from gateway.recon.checks.recording import evidence_of
from gateway.recon.checks.view import RECIPE
from gateway.recon.companion import companion_of, exactly, problem_of, recalled_seen
from gateway.recon.engine import reconstruct
from gateway.recon.memory import Memory
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.parallel import Group, Undersampled, group_of, understand
from gateway.recon.preparation import Preparation
from gateway.recon.scan import Scan
from gateway.recon.sense import deviation, solve_exactly
from gateway.recon.workplace import Workplace
from gateway.zoo.zoo import SHIPPED, Zoo
from tests.recon.undersampled import HEAD, undersampled

ROOM = 1 << 28
FOUR = replace(HEAD, noise=0.02, n_slices=4, n_coils=4, matrix=Zyx(z=1, y=64, x=64))


@cache
def heads() -> ReadyModel:
    model = Zoo((SHIPPED,)).find("heads")
    return ReadyModel(recipe=LearnedRecipe(model="heads", allow_tests=True), card=model.card, weights=model.weights)


def made(preparation: Preparation) -> ImageSeries:
    (series,) = reconstruct(
        preparation.acquisition,
        preparation.header,
        heads(),
        device="cpu",
        progress=lambda *_: None,
        preparation=preparation,
    )
    assert series.model is not None
    return series


def seen_by(preparation: Preparation, images: ImageSeries) -> Evidence:
    return evidence_of(preparation, heads(), images, device="cpu")


def scan_of(preparation: Preparation) -> Scan:
    return preparation.of(preparation.spaces[0])[0]


def frame() -> tuple[Undersampled, Group]:
    found = understand(scan_of(Preparation(*undersampled(3, scan=replace(HEAD, noise=0.02)))), RECIPE, regular=False)
    return found, group_of(found, [0], Workplace(device=torch.device("cpu")), noise=True)


def test_checks_find_the_same_with_what_the_method_found_out_as_without() -> None:
    recording = undersampled(3, scan=FOUR)
    forgetful, remembering = Preparation(*recording), Preparation(*recording, room_bytes=ROOM)
    images = made(remembering)
    alone, shared = seen_by(forgetful, images), seen_by(remembering, images)
    assert shared.values == pytest.approx(alone.values, rel=1e-3)
    assert Check.RESPONSE in shared.values, "one of four images may be reconstructed again"
    assert "cost too much" in shared.unchecked[Check.HELD_OUT]


def test_what_is_known_of_a_scan_is_not_believed_of_a_copy_with_other_readouts() -> None:
    scan = scan_of(Preparation(*undersampled(3), room_bytes=ROOM))
    assert scan.once("number", lambda: 1, lambda _: 8) == 1
    assert scan.once("number", lambda: 2, lambda _: 8) == 1
    copies = replace(scan, acquisition=list(scan.acquisition)), replace(scan, header=replace(scan.header))
    assert [copy.once("number", lambda: 3, lambda _: 8) for copy in copies] == [3, 3]
    assert not any(copy.remembers for copy in copies)


def test_what_finds_no_room_is_found_out_again_and_what_is_forgotten_too() -> None:
    acquisition, header = undersampled(3)
    memory = Memory(acquisition, header, 100)
    assert memory.once("large", lambda: 1, lambda _: 101) == 1
    assert memory.once("large", lambda: 2, lambda _: 101) == 2
    assert memory.once("small", lambda: 1, lambda _: 60) == 1
    memory.forget()
    assert memory.once("small", lambda: 2, lambda _: 60) == 2
    assert memory.once("small", lambda: 3, lambda _: 60) == 3, "somebody needed the memory"


def test_running_out_of_memory_makes_room() -> None:
    scan = scan_of(Preparation(*undersampled(3), room_bytes=ROOM))
    scan.once("number", lambda: 1, lambda _: 8)
    told: list[str] = []
    scan.letting_go(told.append)("Memory ran out.")
    assert told == ["Memory ran out."]
    assert scan.once("number", lambda: 2, lambda _: 8) == 2


@torch.inference_mode()
def test_the_companion_is_exact_sense_and_its_noise_is_that_of_the_closed_form() -> None:
    found, group = frame()
    seen = recalled_seen(found, group, RECIPE)
    both = companion_of(group, seen)
    assert torch.allclose(both.image, exactly(group, seen, 0, group.noise_power), rtol=1e-4, atol=1e-5)
    problem = problem_of(group, seen, 0, group.noise_power)
    known = deviation(problem, solve_exactly(problem), group.noise_power)[0]
    bright = both.image.abs() > 0.2 * both.image.abs().max()
    mean = float(both.noise[bright].mean().sqrt()), float(known[bright].square().mean().sqrt())
    assert mean[0] == pytest.approx(mean[1], rel=0.05)
