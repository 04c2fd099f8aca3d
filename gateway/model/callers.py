"""Who may call our own DICOM port, and how both sides are proven."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTls:
    """Files (PEM) by which callers know who we are, and we know who they are."""

    certificate_file: Path
    key_file: Path | None
    """Without it, the key is in the file of the certificate."""
    ca_file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A system that may call us: from these addresses, under this name."""

    ae_title: str
    networks: tuple[Network, ...]

    def calls_from(self, address: str) -> bool:
        """Whether this is one of its addresses; an IPv4 address that came over IPv6 counts as itself."""
        host = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped is not None:
            host = host.ipv4_mapped
        return any(host in network for network in self.networks)
