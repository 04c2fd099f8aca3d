"""In a network of its own: a scanner sends, and the line dies. Prints why the listener gave it up."""

from __future__ import annotations

import subprocess
import sys

from tests.mrd.test_listener import SCAN, listening


def main() -> None:
    """Take the only link down in the middle of a scan."""
    subprocess.run(["/usr/sbin/ip", "link", "set", "lo", "up"], check=True)
    with listening(gone_s=5) as sessions, sessions.connect() as connection:
        connection.sendall(SCAN[:-700])
        (recorder,) = sessions.recorders
        while len(recorder.content) < len(SCAN) - 700:
            recorder.ended.wait(0.01)
        subprocess.run(["/usr/sbin/ip", "link", "set", "lo", "down"], check=True)
        sys.stdout.write(recorder.wait().reason)


if __name__ == "__main__":
    main()
