"""Control charts on the page: what checks and phantoms have measured over time, and what has moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.control import Control
from gateway.jobs.charts import Charts, ChartView
from gateway.model.control_chart import averages
from gateway.model.trend import QUANTITIES
from gateway.web.addresses import Number
from gateway.web.deeds import LONGEST_REASON
from gateway.web.door import Filled, MayAct, MayLook
from gateway.web.pages import Pages

WIDTH, HEIGHT, LEFT, BELOW = 640.0, 220.0, 56.0, 24.0
"""Of a drawing, and of its room for numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A chart in the units of its drawing: x to the right, y down.

    Parameters
    ----------
    band, jumps
        Top and height of where the moving average stays, and of where every reading stays.
    ticks
        Where on the left which number stands.
    """

    dots: tuple[tuple[float, float, int, str], ...]
    """x, y, job, and in words."""
    average: str
    """Points of a line."""
    centre: float | None
    band: tuple[float, float] | None
    jumps: tuple[float, float] | None
    limits: tuple[float, ...]
    based_until: float | None
    ticks: tuple[tuple[float, str], ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    foot: float = HEIGHT - BELOW


def charts(control: Control, pages: Pages) -> APIRouter:
    """Serve the charts."""
    router, known = APIRouter(prefix="/charts"), control.jobs.charts

    @router.get("")
    def all_of_them(visitor: MayLook) -> HTMLResponse:
        return pages.show("charts.html", visitor=visitor, charts=known.all(), quantities=QUANTITIES)

    @router.get("/{number}")
    def one(number: Number, visitor: MayLook) -> HTMLResponse:
        return _shown(known, number, visitor, pages)

    @router.post("/{number}/restart")
    def restart(number: Number, visitor: MayAct, form: Filled) -> RedirectResponse:
        known.restart(number, who=visitor.who, reason=form.get("reason", "")[:LONGEST_REASON])
        return RedirectResponse(f"/charts/{number}", HTTPStatus.SEE_OTHER)

    return router


def _shown(known: Charts, number: int, visitor: object, pages: Pages) -> HTMLResponse:
    chart = known.one(number)
    quantity = QUANTITIES[chart.quantity]
    return pages.show("chart.html", visitor=visitor, chart=chart, quantity=quantity, drawing=drawn(chart))


def drawn(chart: ChartView) -> Drawing:
    """Lay a chart out: readings one beside the other, whatever time lies between them."""
    values = [one.value for one in chart.points]
    allowed, known = chart.trend.tolerance(chart.quantity), chart.baseline
    limits = [end for end in (allowed.low, allowed.high) if end is not None]
    ends = [*values, *limits, *(known.jumps if known else ())] or [0.0, 1.0]
    low, high = min(ends), max(ends)
    margin = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    low, high = low - margin, high + margin

    def y(value: float) -> float:
        return float(round((HEIGHT - BELOW) * (high - value) / (high - low), 1))

    step = (WIDTH - LEFT - 12) / max(1, len(values) - 1)
    xs = [round(LEFT + 6 + step * number, 1) for number in range(len(values))]
    based = [x for x, one in zip(xs, chart.points, strict=True) if chart.based_until and one.at <= chart.based_until]
    first = len(based)
    line = averages(values[first:], known) if known else []
    return Drawing(
        dots=tuple((x, y(one.value), one.job, f"{one.value:.4g}") for x, one in zip(xs, chart.points, strict=True)),
        average=" ".join(f"{x},{y(value)}" for x, value in zip(xs[first:], line, strict=False)),
        centre=y(known.centre) if known else None,
        band=_between(known.band, y) if known else None,
        jumps=_between(known.jumps, y) if known else None,
        limits=tuple(y(end) for end in limits),
        based_until=based[-1] if based else None,
        ticks=tuple((y(value), f"{value:.3g}") for value in _ticks(low, high)),
    )


def _between(ends: tuple[float, float], y: Callable[[float], float]) -> tuple[float, float]:
    return y(ends[1]), round(y(ends[0]) - y(ends[1]), 1)


def _ticks(low: float, high: float) -> Iterator[float]:
    for part in (0.1, 0.5, 0.9):
        yield low + part * (high - low)
