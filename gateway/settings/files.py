"""Text files that a person wrote."""

from __future__ import annotations

from pathlib import Path

from gateway.model.errors import SettingsFault


def read_text(path: Path, fault: type[SettingsFault] = SettingsFault) -> str:
    """Read UTF-8 text, or raise ``fault`` saying why not."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise fault(str(path), [f"cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise fault(str(path), [f"is not UTF-8 text (byte {error.start})"]) from None
