"""Processes that a benchmark starts, and that end with it, even where it is killed: nothing else would end them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SETPRIV = "/usr/bin/setpriv"
"""Of util-linux: the kernel sends the signal when the thread that started the command ends (PR_SET_PDEATHSIG, prct"""


def leashed(command: Sequence[str | Path]) -> list[str]:
    """Let a command end in order when whoever starts it dies."""
    return [SETPRIV, "--pdeathsig=TERM", *map(str, command)]
