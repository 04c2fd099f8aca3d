from __future__ import annotations

import pytest
import torch

from gateway.recon.threads import SMALL, as_many_as_help


@pytest.mark.parametrize(("n", "expected"), [(SMALL, 1), (SMALL + 1, 2)])
def test_one_thread_works_on_what_is_small_and_all_do_afterwards(n: int, expected: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with as_many_as_help(torch.empty(n)):
            assert torch.get_num_threads() == expected
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
