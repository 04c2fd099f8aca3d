"""Figures: exact, the same for everybody who asks, few labels, nobody's name; alarms and plots ask only for what is."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from gateway.api.figures import MOST_DESTINATIONS, OTHERS
from gateway.jobs.database import writing
from gateway.jobs.tallies import count, count_duration
from gateway.model.person import Right
from gateway.stations import Stations
from tests.api.conftest import Call
from tests.web.scene import Scene

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PROMTOOL = "/usr/bin/promtool"

Figures = dict[tuple[str, str], float]


def scraped(visit: TestClient) -> Figures:
    """Every sample by its name and the values of its labels."""
    answer = visit.get("/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return {
        (one.name, " ".join(value for _, value in sorted(one.labels.items()))): one.value
        for family in families
        for one in family.samples
    }


def test_what_is_open_and_what_has_happened_is_told(call: Call) -> None:
    found = scraped(call(Right.MEASURE))
    assert found["gateway_database_up", ""] == 1
    assert found["gateway_jobs", "HELD"] == 1
    assert found["gateway_deliveries", "archive FAILED"] == 1
    assert found["gateway_sessions", ""] == 1
    assert found["gateway_job_events_total", "failed"] == 1
    assert found["gateway_scans_total", "INCOMPLETE"] == 1
    assert found["gateway_received_bytes_total", ""] == 9 * 84_736_120
    assert found["gateway_job_seconds_count", "fft"] == found["gateway_job_events_total", "succeeded"] == 3
    assert found["gateway_job_seconds_bucket", "+Inf fft"] == 3
    assert found["gateway_job_seconds_bucket", "1.0 fft"] == 0
    assert 0 < found["gateway_disk_used_ratio", ""] < 1


def test_every_process_tells_the_same(call: Call, scene: Scene, stations: Stations) -> None:
    before = scraped(call(Right.MEASURE))
    failed = scene.start({"protocol": "t2"})
    scene.jobs.fail(failed.lease, "no")
    after = stations.census.take()
    told = {one.label: one.count for one in after.tallies if one.metric == "jobs"}
    assert told["failed"] == before["gateway_job_events_total", "failed"] + 1


def test_labels_stay_few_whatever_happens(call: Call, stations: Stations) -> None:
    with writing(stations.jobs.engine) as connection:
        for number in range(3 * MOST_DESTINATIONS):
            count_duration(connection, "deliveries_seconds", f"destination {number}", seconds=1)
    found = scraped(call(Right.MEASURE))
    names = {labels for name, labels in found if name == "gateway_delivery_seconds_count"}
    assert len(names) == MOST_DESTINATIONS + 1
    assert found["gateway_delivery_seconds_count", OTHERS] >= 2 * MOST_DESTINATIONS


def test_counting_at_once_loses_nothing(stations: Stations) -> None:
    for _ in range(3):
        with writing(stations.jobs.engine) as connection:
            count(connection, "jobs", "tested", amount=2.5)
    (found,) = [one for one in stations.census.take().tallies if one.label == "tested"]
    assert (found.count, found.total) == (3, 7.5)


def test_figures_need_their_right(call: Call) -> None:
    assert call(Right.LOOK).get("/metrics").status_code == 403


def _asked_for(text: str) -> set[str]:
    return set(re.findall(r"\bgateway_[a-z_]+\b", text))


@pytest.mark.parametrize("file", ["prometheus/alerts.yml", "prometheus/alerts.test.yml", "grafana/gateway.json"])
def test_alarms_and_plots_ask_for_figures_that_are(call: Call, stations: Stations, file: str) -> None:
    with writing(stations.jobs.engine) as connection:
        count_duration(connection, "deliveries_seconds", "pacs", seconds=1)
    there = {name for name, _ in scraped(call(Right.MEASURE))} | {"gateway_destination_away"}
    assert _asked_for((DEPLOY / file).read_text()) <= there


def test_the_dashboard_has_a_place_for_every_plot() -> None:
    panels = json.loads((DEPLOY / "grafana" / "gateway.json").read_text())["panels"]
    places = {(one["gridPos"]["x"], one["gridPos"]["y"]) for one in panels}
    assert len(places) == len(panels)
    assert all(target["expr"] for one in panels for target in one["targets"])


@pytest.mark.peer("promtool")
@pytest.mark.parametrize(
    ("check", "file"), [("check rules", "alerts.yml"), ("test rules", "alerts.test.yml"), ("check config", "")]
)
def test_prometheus_itself_takes_the_alarms(check: str, file: str) -> None:
    options = ["--syntax-only", "prometheus.yml"] if not file else [file]
    subprocess.run([PROMTOOL, *check.split(), *options], cwd=DEPLOY / "prometheus", check=True, capture_output=True)


@pytest.mark.peer("promtool")
def test_prometheus_itself_reads_the_figures(call: Call) -> None:
    text = call(Right.MEASURE).get("/metrics").text
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
