"""rsyslog as a record repository: over TLS from those with a certificate, over UDP; it writes all it gets to a file."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.dicom.certificates import Identity
from tests.peers import LOOPBACK, PROGRAMS, START_S

CONFIGURATION = """
global(workDirectory="{folder}" maxMessageSize="64k" defaultNetstreamDriverCAFile="{ca}"
       defaultNetstreamDriverCertFile="{certificate}" defaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
module(load="imudp")
template(name="raw" type="string" string="%rawmsg%\\n")
ruleset(name="keep") {{ action(type="omfile" file="{kept}" template="raw") }}
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="keep")
input(type="imudp" address="127.0.0.1" port="{port}" ruleset="keep")
"""

MESSAGE = re.compile(r"<85>1 (\S+) (\S+) mri-gateway \d+ DICOM\+RFC3881 - \ufeff?(<\?xml.*</AuditMessage>)")


@dataclass(frozen=True)
class Repository:
    """What it has kept; to be read when it has ended, which is when everything is written."""

    port: int
    kept: Path

    @property
    def messages(self) -> list[str]:
        """The XML of each message, in order; what is no message of ours is a fault."""
        lines = self.kept.read_text().splitlines() if self.kept.exists() else []
        found = [MESSAGE.fullmatch(line) for line in lines]
        assert all(found), lines
        return [one[3] for one in found if one]


@contextmanager
def repository(folder: Path, port: int, *, ours: Identity, ca: Identity) -> Iterator[Repository]:
    """Start it; at the end it writes what it has, and ends."""
    kept = folder / "kept.log"
    text = CONFIGURATION.format(
        folder=folder, ca=ca.certificate, certificate=ours.certificate, key=ours.key, kept=kept, port=port
    )
    (folder / "rsyslog.conf").write_text(text)
    files = ["-f", folder / "rsyslog.conf", "-i", folder / "pid"]
    command = [str(part) for part in (PROGRAMS["rsyslogd"].path, "-n", *files)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_until_up(process, port)
            yield Repository(port, kept)
        finally:
            process.terminate()
            process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(int(START_S / 0.05)):
        with socket.socket() as probe:
            if probe.connect_ex((LOOPBACK, port)) == 0:
                return
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        break
    raise RuntimeError("rsyslog did not come up")
