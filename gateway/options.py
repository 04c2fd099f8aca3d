"""What the commands share: options that many of them take, and where they print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console

WIDE = 200
"""Columns of output that goes to a file or another program."""

out = Console(width=None if sys.stdout.isatty() else WIDE)
err = Console(stderr=True, soft_wrap=True)


OVERLOOKED = Path("gateway.toml")


def hint(config: Path | None) -> Path | None:
    """Say that settings lie in the current folder which nobody has named; a child has a parent that said it."""
    if config is None and OVERLOOKED.is_file() and "--leashed" not in sys.argv:
        err.print(f"hint: {OVERLOOKED} in this folder is not read without --config {OVERLOOKED}")
    return config


Config = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads it at run time
    typer.Option(
        "--config",
        envvar="GATEWAY_CONFIG",
        callback=hint,
        help="gateway.toml; without it, defaults in ./gateway-data.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Limit = Annotated[int, typer.Option(min=1, help="How many.")]
