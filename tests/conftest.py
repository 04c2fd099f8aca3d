"""What every test may ask for: real data, real peers, a free port; and the zone all of them run in."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from gateway.model.zyx import Zyx
from gateway.mrd.header import write_header
from gateway.mrd.stream import RecordedSession, write_session
from gateway.recon.phantom import PhantomScan, head_phantom
from tests import peers

ROOT = Path(__file__).resolve().parents[1]

# Nobody's tests pass by accident in a zone with an odd offset.
os.environ["TZ"] = "Asia/Kathmandu"
time.tzset()

# The same examples in every run; how long one takes says more about the machine than about the code.
hypothesis.settings.register_profile("house", derandomize=True, deadline=None)
hypothesis.settings.load_profile("house")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Obey ``@pytest.mark.peer(binary, ...)``."""
    for marker in item.iter_markers("peer"):
        peers.need(*marker.args)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real scans: GATEWAY_TEST_DATA, or the folder ``shared/data`` beside the checkout."""
    folder = Path(os.environ.get("GATEWAY_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real scans at {folder}; GATEWAY_TEST_DATA names another folder")
    return folder


@pytest.fixture(scope="session")
def small_scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of two slices, which any reconstruction takes a moment for."""
    acquisition, header = head_phantom(PhantomScan(n_slices=2, n_coils=2, matrix=Zyx(z=1, y=32, x=32), seed=1))
    scan = RecordedSession(header_xml=write_header(header), recipe_asked="", acquisition=acquisition)
    path = tmp_path_factory.mktemp("scan") / "small.mrd"
    path.write_bytes(b"".join(write_session(scan)))
    return path


@pytest.fixture
def free_port() -> int:
    """A TCP port on the loopback that nobody listens on; for more of them, `peers.free_port`."""
    return peers.free_port()


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Orthanc]:
    """A PACS of its own for a module's tests, empty at the start; it answers to its own AE title only."""
    peers.need("Orthanc")
    with peers.running_orthanc(tmp_path_factory.mktemp("orthanc")) as pacs:
        yield pacs
