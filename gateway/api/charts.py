"""Control charts: what checks and phantoms have measured over time, and what has moved."""

from __future__ import annotations

from fastapi import APIRouter

from gateway.api.gate import MayAct, MayLook
from gateway.api.words import Because, Listed, Number
from gateway.control import Control
from gateway.jobs.charts import ChartView


def charts(control: Control) -> APIRouter:
    """Serve the charts."""
    router, known = APIRouter(prefix="/charts", tags=["charts"]), control.jobs.charts

    @router.get("", summary="List the control charts without their readings, those with an alarm first")
    def charts_list(_caller: MayLook) -> Listed[ChartView]:
        return Listed(items=known.all())

    @router.get("/{number}", summary="Show a control chart with its newest readings")
    def chart_show(_caller: MayLook, number: Number) -> ChartView:
        return known.one(number)

    @router.post("/{number}/restart", summary="Begin a new baseline: what comes from now on is what is usual")
    def chart_restart(caller: MayAct, number: Number, why: Because) -> ChartView:
        known.restart(number, who=caller.who, reason=why.reason)
        return known.one(number)

    return router
