"""From values to HTML: the templates, and how states, times and sizes read."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from gateway import __version__
from gateway.model.gate import worst_image
from gateway.model.person import Right
from gateway.web.deeds import deeds_for_delivery, deeds_for_job

TONES: Mapping[str, str] = MappingProxyType(
    {
        "RECEIVING": "busy",
        "COMPLETE": "good",
        "INCOMPLETE": "person",
        "NO_DATA": "quiet",
        "REJECTED": "bad",
        "DUPLICATE": "quiet",
        "QUEUED": "wait",
        "RUNNING": "busy",
        "DONE": "good",
        "HELD": "person",
        "FAILED": "bad",
        "QUARANTINED": "bad",
        "CANCELLED": "quiet",
        "PENDING": "wait",
        "SENDING": "busy",
        "WAITING": "wait",
        "STORED": "good",
        "COMMITTED": "good",
    }
)
"""How a state looks: of scans, jobs and deliveries; where two share a name they share the meaning."""

MENU: Sequence[tuple[str, str, str]] = (
    ("/", "Work", Right.LOOK),
    ("/held", "Held", Right.LOOK),
    ("/charts", "Charts", Right.LOOK),
    ("/routes", "Routes", Right.LOOK),
    ("/studies", "Studies", Right.READ),
    ("/people", "People", Right.MANAGE),
    ("/tokens", "Tokens", Right.MANAGE),
    ("/audit", "Audit trail", Right.AUDIT),
)
"""Pages that are always in reach: address, name, and the right that it takes."""

DIRECTIONS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Characters that turn what follows them: one that is not closed reaches beyond its element, ``bdi`` or not."""

CONTROLS = {
    **{code: 0x2400 + code for code in range(32)},
    127: 0x2421,
    **dict.fromkeys((*range(128, 160), *DIRECTIONS), 0xFFFD),
}
"""Pictures for what nobody should see act: control characters as Unicode pictures them, others as not known."""

LONGEST = 400
"""Characters of one text from outside; a scanner may call its protocol what it likes."""

LIVE = "live_"
"""How the blocks of a template begin that follow what happens."""

KILO = 1_000
UNITS = ("B", "kB", "MB", "GB", "TB")


class Pages:
    """The templates, escaped by default; a name that is missing is a fault and not an empty place."""

    def __init__(self, *, signs_in: bool, provider: str = "") -> None:
        self._templates = Environment(
            loader=PackageLoader("gateway.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(version=__version__, tones=TONES, zone=zone, signs_in=signs_in, menu=MENU)
        self._templates.globals.update(provider=provider)
        self._templates.globals.update(deeds_for_job=deeds_for_job, deeds_for_delivery=deeds_for_delivery)
        self._templates.filters.update(
            words=words,
            local=local,
            size=size,
            lasting=lasting,
            percent=percent,
            plain=plain,
            lines=lines,
            worst_image=worst_image,
        )
        macros = vars(self._templates.get_template("parts.html").module)
        self._templates.globals.update({name: macro for name, macro in macros.items() if not name.startswith("_")})

    def show(self, template: str, /, *, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401 - any view
        """Fill in a template."""
        return HTMLResponse(self._templates.get_template(template).render(status=status, **values), status)

    def live_parts(self, template: str, values: Mapping[str, Any]) -> dict[str, str]:
        """Fill in only the live parts of a template: blocks ``live_NAME``, each the inside of the element ``NAME``."""
        page = self._templates.get_template(template)
        context = page.new_context(dict(values))
        blocks = {name: block for name, block in page.blocks.items() if name.startswith(LIVE)}
        return {name.removeprefix(LIVE): "".join(block(context)) for name, block in blocks.items()}


def plain(text: object, longest: int = LONGEST) -> str:
    """Write a text from outside: of a long one the beginning, and control characters as pictures of themselves."""
    shown = str(text)
    shown = shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
    return shown.translate(CONTROLS)


def lines(text: str) -> str:
    """Write several lines from outside: as `plain`, but as long as they are."""
    return "\n".join(line.translate(CONTROLS) for line in text.split("\n"))


def words(name: str) -> str:
    """Turn the name of a state or a field into words: ``NO_DATA`` reads "No data"."""
    return name.replace("_", " ").capitalize()


def local(moment: datetime) -> str:
    """Write a moment as the clock on the wall of this machine showed it; with its offset, where that is another now."""
    there, now = moment.astimezone(), datetime.now().astimezone()
    return f"{there:%Y-%m-%d %H:%M:%S}" + ("" if there.utcoffset() == now.utcoffset() else f" {there:%z}")


def zone() -> str:
    """Name the zone of that clock."""
    return time.strftime("UTC%z")


def size(n_bytes: float) -> str:
    """Write a number of bytes with three digits at most."""
    unit = 0
    while round(n_bytes) >= KILO and unit < len(UNITS) - 1:
        n_bytes, unit = n_bytes / KILO, unit + 1
    digits = 1 if unit and n_bytes < 10 else 0  # noqa: PLR2004 - two digits are enough to compare
    return f"{n_bytes:.{digits}f} {UNITS[unit]}"


def lasting(span: timedelta) -> str:
    """Write how long something took, as exactly as a person cares."""
    seconds = max(span.total_seconds(), 0.0)
    if seconds < 60:  # noqa: PLR2004 - of a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004


def percent(fraction: float) -> str:
    """Write a fraction in percent; only what is finished is 100."""
    return f"{int(100 * min(max(fraction, 0.0), 1.0))} %"
