"""Our ports: free, ours already, or somebody else's."""

from __future__ import annotations

import socket

from gateway.doctor.finding import Finding, bad, good

CONNECT_S = 2.0


def port(what: str, host: str, number: int, *, ours: bool) -> Finding:
    """Look at a port that we listen on, or will.

    Parameters
    ----------
    ours
        Whether the gateway itself says that it listens there.
    """
    where = f"{host}:{number}"
    if ours:
        return good(what, f"the gateway listens on {where}")
    try:
        with socket.create_server((host, number)):
            return good(what, f"{where} is free")
    except OSError as fault:
        why = fault.strerror
    if _answers(host, number):
        return bad(what, f"{where} is taken by another program", "stop it (see ss -ltnp), or set another port")
    return bad(what, f"{where}: {why}", "set an address of this machine, and a port above 1023")


def _answers(host: str, number: int) -> bool:
    try:
        with socket.create_connection((host, number), CONNECT_S):
            return True
    except OSError:
        return False
