from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from PIL import Image

from tests.running import LOOK_EVERY_S, PATIENCE_S, gateway, wait_a_moment


def test_the_demo_ends_by_itself_when_the_series_has_arrived(tmp_path: Path) -> None:
    done = gateway("demo", "--once", "--folder", tmp_path / "demo")
    assert done.returncode == 0, done.stderr
    for words in ("receiving", "routed", "reconstructed", "pacs: committed", "the PACS has 12 of 12 images"):
        assert words in done.stdout
    assert len(list((tmp_path / "demo" / "pacs").rglob("*.dcm"))) == 12
    with Image.open(tmp_path / "demo" / "middle-slice.png") as picture:
        assert picture.size == (192, 192)
        assert max(picture.tobytes()) > 200


def test_the_demo_keeps_its_page_until_it_is_stopped(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gateway", "demo", "--folder", str(tmp_path)]
    log = tmp_path / "log"
    wide = {**os.environ, "COLUMNS": "200"}
    with log.open("w") as sink, subprocess.Popen(command, stdout=sink, stderr=sink, text=True, env=wide) as process:
        deadline = time.monotonic() + PATIENCE_S
        while "page at " not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            wait_a_moment(process)
        address = log.read_text().split("page at ")[1].split()[0]
        with urllib.request.urlopen(address, timeout=LOOK_EVERY_S * 200) as answer:
            assert "head phantom" in answer.read().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
