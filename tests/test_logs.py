from __future__ import annotations

import json
import logging

import pytest

from gateway.logs import LONGEST_VALUE, JsonLines, TextLines


def record(**facts: object) -> logging.LogRecord:
    one = logging.makeLogRecord({"msg": "series sent", "levelname": "INFO", "name": "gateway.x", "created": 0.0})
    one.__dict__.update(facts)
    return one


def test_text_has_the_message_and_the_facts() -> None:
    assert TextLines().format(record(job=7)) == "1970-01-01T00:00:00.000+00:00 info    gateway.x: series sent job=7"


def test_json_is_one_object_on_one_line() -> None:
    line = JsonLines().format(record(job=7, why="a\nb"))
    assert "\n" not in line
    assert json.loads(line)["job"] == 7


@pytest.mark.parametrize("formatter", [TextLines(), JsonLines()])
def test_what_comes_from_outside_stays_on_its_line_and_within_its_length(formatter: logging.Formatter) -> None:
    line = formatter.format(record(peer="x\r\n\x1b[31mred" + "y" * 10_000))
    assert len(line) < LONGEST_VALUE + 200
    assert not any(character in line for character in "\r\n\x1b")
