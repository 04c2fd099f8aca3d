"""The seal beside a recording: what it is and that it is whole, as JSON that a person can read."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from gateway.model.errors import UnreadableFile
from gateway.model.ids import RecordingId
from gateway.model.scan import ScanState, Seal, Verdict
from gateway.spool.digest import SHA256
from gateway.whole import whole_file


def write_seal(path: Path, seal: Seal) -> None:
    """Write a seal so that it is either there and whole, or not there; the folder is the caller's to sync."""
    text = json.dumps(asdict(seal), indent=1, default=lambda when: when.isoformat())
    with whole_file(path, sync_name=False) as file:
        file.write(text.encode())


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
