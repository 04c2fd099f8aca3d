"""Steering: what is applied was checked, what is wrong changes nothing, and every version can be had again."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.jobs.clock import utc_now
from gateway.jobs.database import open_database, upgrade
from gateway.jobs.route_versions import RouteVersions
from gateway.model.destinations import FolderDestination
from gateway.model.errors import NoRoute, RoutesFault, WrongCall
from gateway.routing.facts import Facts
from gateway.settings import DEFAULT_ROUTES
from gateway.steering import Steering, turns, way_of

BRAIN = """
[recipes.fft]
method = "fft"

[destinations.brains]
kind = "folder"
path = "brains"

[[rules]]
name = "brains"
match = { protocol = "*brain*" }
recipe = "fft"
destinations = ["brains"]
"""


@pytest.fixture
def versions(tmp_path: Path) -> RouteVersions:
    engine = open_database(f"sqlite:///{tmp_path / 'gateway.db'}")
    upgrade(engine)
    return RouteVersions(engine, utc_now)


@pytest.fixture
def steering(versions: RouteVersions, tmp_path: Path) -> Steering:
    return Steering(versions=versions, folder=tmp_path, unapplied=lambda: DEFAULT_ROUTES)


def apply(steering: Steering, text: str, comment: str = "") -> int:
    return steering.apply(text, source="routes.toml", who="anna", comment=comment)


def test_before_anything_is_applied_the_file_is_version_0(steering: Steering) -> None:
    assert steering.in_force() == 0
    assert [rule.name for rule in steering.routes(0).rules] == ["everything"]


def test_what_is_applied_is_in_force_with_paths_from_the_folder_of_the_file(steering: Steering, tmp_path: Path) -> None:
    assert apply(steering, BRAIN) == 1
    routes = steering.routes(steering.in_force())
    assert routes.destinations == {"brains": FolderDestination(path=tmp_path / "brains")}
    assert steering.routes(0).rules[0].name == "everything"


def test_bad_routes_change_nothing(steering: Steering) -> None:
    apply(steering, BRAIN)
    with pytest.raises(RoutesFault, match=r"line 13: rules\.0\.destinations: must be a list"):
        apply(steering, BRAIN.replace('["brains"]', '"brains"'))
    assert steering.in_force() == 1
    assert steering.toml(1) == BRAIN


def test_the_same_routes_are_not_applied_twice(steering: Steering) -> None:
    apply(steering, BRAIN)
    with pytest.raises(WrongCall, match="version 1"):
        apply(steering, BRAIN)
    assert steering.in_force() == 1


def test_rolling_back_makes_a_new_version_with_the_old_text(steering: Steering) -> None:
    apply(steering, BRAIN, "brains")
    apply(steering, BRAIN.replace("*brain*", "*head*"), "heads")
    assert steering.roll_back(1, who="berta", comment="heads was wrong") == 3
    assert steering.toml(3) == BRAIN
    newest = steering.history(1)[0]
    assert (newest.who, newest.comment) == ("berta", "back to version 1: heads was wrong")


def test_one_can_go_back_to_the_file(steering: Steering) -> None:
    apply(steering, BRAIN)
    assert steering.roll_back(0, who="berta", comment="") == 2
    assert steering.toml(2) == DEFAULT_ROUTES


def test_the_difference_shows_what_came_and_what_went(steering: Steering) -> None:
    apply(steering, BRAIN)
    apply(steering, BRAIN.replace("*brain*", "*head*"))
    lines = steering.difference(1, 2)
    assert lines[:2] == ["--- version 1", "+++ version 2"]
    assert [line for line in lines[2:] if line[0] in "+-"] == [
        '-match = { protocol = "*brain*" }',
        '+match = { protocol = "*head*" }',
    ]


def test_a_version_that_this_software_does_not_understand_holds_its_jobs(
    steering: Steering, versions: RouteVersions
) -> None:
    number = versions.add("from = 'the future'", who="anna", comment="")
    with pytest.raises(NoRoute, match="version 1 of the routes") as fault:
        steering.routes(number)
    assert fault.value.held


def test_scans_that_would_go_elsewhere_are_told(steering: Steering) -> None:
    before, after = steering.routes(0), steering.parse(BRAIN, source="routes.toml")
    scans = [("a", Facts(protocol="T2 brain")), ("b", Facts(protocol="knee"))]
    assert [(turn.scan, turn.before, turn.after) for turn in turns(scans, before, after)] == [
        ("a", "rule 'everything', recipe 'auto', to folder", "rule 'brains', recipe 'fft', to brains"),
        ("b", "rule 'everything', recipe 'auto', to folder", "held: no route"),
    ]
    assert turns(scans, before, before) == []
    assert way_of(after, Facts(protocol="knee")) == "held: no route"
