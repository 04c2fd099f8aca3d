"""Logs as lines for people or JSON for machines: a constant message, facts beside it, never a patient."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

LONGEST_VALUE = 500
"""Characters of one value; what comes from outside may be long."""

_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}


def configure_logs(level: str, style: str) -> None:
    """Log to standard error; ``style`` is ``text`` or ``json``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if style == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("pydicom", "apscheduler", "alembic", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.ERROR)


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    return {name: _printable(value) for name, value in record.__dict__.items() if name not in _OWN}


def _printable(value: object) -> str | int | float | bool | None:
    """Make a value safe for one line: control characters escaped, length bounded."""
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)[:LONGEST_VALUE]
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds")


class TextLines(logging.Formatter):
    """``time level logger: message key=value``."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        facts = "".join(f" {name}={value}" for name, value in _facts(record).items())
        line = f"{_moment(record)} {record.levelname.lower():7} {record.name}: {record.getMessage()}{facts}"
        return line if record.exc_info is None else f"{line}\n{self.formatException(record.exc_info)}"


class JsonLines(logging.Formatter):
    """One JSON object on each line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        line = {"at": _moment(record), "level": record.levelname.lower(), "logger": record.name}
        line |= {"message": record.getMessage(), **_facts(record)}
        if record.exc_info is not None:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def line_of(record: logging.LogRecord) -> str:
    """Write one record for the page: of an exception its kind and its frames, not its words, which may be anybody's."""
    facts = "".join(f" {name}={value}" for name, value in _facts(record).items())
    line = f"{record.getMessage()}{facts}"
    if record.exc_info is None or record.exc_info[0] is None:
        return line
    frames = "".join(traceback.format_tb(record.exc_info[2]))
    return f"{line}\n{frames}{record.exc_info[0].__name__}"
