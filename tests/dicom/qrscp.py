"""DCMTK's archive, dcmqrscp: stores uncompressed objects, answers queries, knows no storage commitment."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.dicom.worklist import wait_until_bound
from tests.peers import free_port

AE_TITLE = "QRPACS"

CONFIGURATION = """\
NetworkTCPPort  = {port}
MaxPDUSize      = 131072
MaxAssociations = 16
HostTable BEGIN
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
{title} {folder} RW (200, 1024mb) ANY
AETable END
"""


@contextmanager
def qrscp(folder: Path) -> Iterator[int]:
    """Run it with everything it keeps in a folder; yields its port."""
    port = free_port()
    (folder / "kept").mkdir(parents=True)
    file = folder / "dcmqrscp.cfg"
    file.write_text(CONFIGURATION.format(port=port, title=AE_TITLE, folder=folder / "kept"))
    command = ["/usr/bin/dcmqrscp", "-c", str(file)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until_bound(port)
            yield port
        finally:
            process.kill()
