"""The seal beside a recording: what it is and that it is whole, as JSON that a person can read."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from gateway.model.errors import UnreadableFile
from gateway.model.ids import RecordingId
from gateway.model.scan import ScanState, Seal, Verdict
from gateway.spool.digest import SHA256


def write_seal(path: Path, seal: Seal) -> None:
    """Write a seal so that it is either there and whole, or not there; the folder is the caller's to sync."""
    text = json.dumps(asdict(seal), indent=1, default=lambda when: when.isoformat())
    part = path.with_name(f"{path.name}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(part, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


def read_seal(path: Path) -> Seal:
    """Read a seal.

    Raises
    ------
    UnreadableFile
        It is missing or damaged.
    """
    try:
        fields = json.loads(path.read_text("utf-8"))
        verdict = fields["verdict"]
        return Seal(
            recording=RecordingId(fields["recording"]),
            peer=fields["peer"],
            started_at=datetime.fromisoformat(fields["started_at"]),
            ended_at=datetime.fromisoformat(fields["ended_at"]),
            digest=fields.get("digest") or f"{SHA256}:{fields['sha256']}",
            verdict=Verdict(**{**verdict, "state": ScanState(verdict["state"])}),
        )
    except OSError as error:
        raise UnreadableFile(path, error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableFile(path, f"is not a seal: {error}") from error
