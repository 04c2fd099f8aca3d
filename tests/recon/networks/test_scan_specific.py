"""Networks that learn from the scan itself: never worse than what they begin with, and the same bits each time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gateway.model.errors import BadScan
from gateway.model.recipes import DipRecipe, GrappaRecipe, RakiRecipe
from gateway.recon.phantom import head_phantom
from tests.recon.undersampled import HEAD, error, run, undersampled, whole

SMALL_DIP = DipRecipe(n_channels=16, n_layers=4)


def test_raki_is_better_than_the_grappa_it_begins_with() -> None:
    scan = undersampled(4)
    linear, more = (run(scan, recipe).pixels for recipe in (GrappaRecipe(), RakiRecipe()))
    assert error(more, whole()) < error(linear, whole())


def test_raki_without_a_step_is_grappa() -> None:
    """Grappa's kernel acts where readouts are images, where a kernel wraps at the edge of k-space; there is little."""
    scan = undersampled(3)
    plain = run(scan, GrappaRecipe()).pixels
    assert error(run(scan, RakiRecipe(steps=1)).pixels, plain) < 0.01


def test_raki_gives_the_same_bits_and_scales_with_the_data() -> None:
    (readouts,), header = undersampled(3)
    louder = replace(readouts, samples=readouts.samples * np.float32(1e6))
    first, again, scaled = (
        run(((each,), header), RakiRecipe(steps=40)).pixels for each in (readouts, readouts, louder)
    )
    np.testing.assert_array_equal(first, again)
    assert error(np.asarray(scaled / 1e6, np.float32), first) < 1e-3


def test_raki_refuses_a_scan_that_lacks_nothing() -> None:
    with pytest.raises(BadScan, match="nothing to fill"):
        run(head_phantom(HEAD), RakiRecipe())


def test_an_untrained_network_comes_closer_to_the_image_with_every_step() -> None:
    """Thousands find it, as its papers say; a test has time for the way there."""
    few, more = (error(run(undersampled(3), _dip(steps)).pixels, whole()) for steps in (20, 120))
    assert more < 0.8 * few


def test_dip_gives_the_same_bits() -> None:
    first, again = (run(undersampled(3), _dip(12)).pixels for _ in range(2))
    np.testing.assert_array_equal(first, again)


def _dip(steps: int) -> DipRecipe:
    return SMALL_DIP.model_copy(update={"steps": steps})
