"""What a browser is told about every answer: load nothing from elsewhere, run nothing inline, keep nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from fastapi import Request, Response

POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

PROTECTION: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
)


async def protect(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Put the protection on an answer."""
    response = await answer(request)
    response.headers.update(PROTECTION)
    return response
