"""Joiner 9: values of checks, and what phantoms measure, become readings of control charts."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from gateway.jobs.charts import Charts, Due, Origin
from gateway.model.errors import BadScan
from gateway.model.gate import Ruling
from gateway.model.image import ImageKind, ImageSeries
from gateway.model.route import Routes, Rule
from gateway.model.trend import QUANTITIES, Trend
from gateway.quality.phantom import measure_phantom
from gateway.routing.facts import Facts

LONGEST = 255
"""Characters of a name."""

logger = logging.getLogger(__name__)


def follow_checks(charts: Charts, facts: Facts, origin: Origin, ruling: Ruling, *, model: str) -> None:
    """Keep what the gate measured of the images of a model."""
    values = {each.check.value: each.value for each in ruling.assessments if each.value is not None}
    trend = Trend(scanner=scanner_of(facts), protocol=_short(facts.protocol or facts.sequence), subject=_short(model))
    _put(charts, trend, values, origin)


def follow_phantom(charts: Charts, facts: Facts, origin: Origin, rule: Rule, made: Sequence[ImageSeries]) -> str:
    """Measure the phantom that a rule says it is, keep what comes out, and tell it in one line."""
    images = next((one for one in made if one.kind is ImageKind.MAGNITUDE), None)
    if rule.phantom is None or images is None:
        return "not measured: there are no magnitudes"
    try:
        values = measure_phantom(images, rule.phantom)
    except BadScan as fault:
        return f"not measured: {fault}"
    trend = Trend.of_phantom(rule.phantom, scanner=scanner_of(facts), rule=_short(rule.name))
    _put(charts, trend, values, origin)
    return ", ".join(f"{name} {value:.4g}{_unit(name)}" for name, value in values.items())


def phantoms_due(routes: Routes) -> list[Due]:
    """List the phantoms that the routes expect."""
    return [
        Due(phantom=rule.phantom, rule=_short(rule.name), every_h=rule.phantom_every_h)
        for rule in routes.rules
        if rule.phantom is not None
    ]


def scanner_of(facts: Facts) -> str:
    """Name a scanner: by its station, else its maker and model, else where its scans come from."""
    make = " ".join(text for text in (facts.vendor, facts.model) if text)
    return _short(facts.station or make or facts.source)


def _put(charts: Charts, trend: Trend, values: dict[str, float], origin: Origin) -> None:
    for quantity, alarm in charts.put(trend, values, origin):
        logger.warning("a control chart has an alarm", extra={"quantity": quantity, "alarm": alarm, "job": origin.job})


def _unit(name: str) -> str:
    unit = QUANTITIES[name].unit
    return f" {unit}" if unit else ""


def _short(text: str | None) -> str:
    return (text or "unknown")[:LONGEST]
