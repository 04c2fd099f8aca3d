"""People: what each role may do; what is not listed here, nobody may."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """What a person is here for."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    AUDITOR = "auditor"
    READER = "reader"


class Right(StrEnum):
    """What a page or a command may ask of whoever calls it."""

    LOOK = "look"
    """See scans, jobs, images and routes."""
    ACT = "act"
    """Retry, hold, release and cancel jobs and deliveries."""
    STEER = "steer"
    """Change the routes."""
    AUDIT = "audit"
    """Read the audit trail."""
    MANAGE = "manage"
    """Invite people, change what they may do, end their sessions; make and revoke tokens."""
    MEASURE = "measure"
    """Read the figures at /metrics."""
    READ = "read"
    """Have an account of one's own, and score the images of studies that one was asked to read."""
    STUDY = "study"
    """Make reader studies, and see what they found."""


RIGHTS: Mapping[Role, frozenset[Right]] = MappingProxyType(
    {
        Role.VIEWER: frozenset({Right.READ, Right.LOOK, Right.MEASURE}),
        Role.OPERATOR: frozenset({Right.READ, Right.LOOK, Right.MEASURE, Right.ACT}),
        Role.ADMIN: frozenset(set(Right) - {Right.AUDIT}),
        Role.AUDITOR: frozenset({Right.READ, Right.LOOK, Right.MEASURE, Right.AUDIT}),
        Role.READER: frozenset({Right.READ}),
    }
)
