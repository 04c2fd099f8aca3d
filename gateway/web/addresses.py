"""What may stand in an address."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
"""What a database can number; anything else is no address of ours."""

Version = Annotated[int, Path(ge=0, le=2**31 - 1)]
"""Number of a version of the routes; 0 is before anything was applied."""

ScanId = Annotated[str, Path(pattern="^[0-9a-f]{4,32}$")]
"""The id of a scan, or the beginning of it."""
