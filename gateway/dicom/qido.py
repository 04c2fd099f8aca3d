"""Ask an archive what it has: QIDO-RS (PS3.18 10.6), page by page, and its JSON (PS3.18 Annex F) as text."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

from pydicom.datadict import tag_for_keyword

from gateway.dicom.dicomweb import ask_archive, named
from gateway.model.destinations import WebPeer
from gateway.model.errors import PeerRefused, PeerUnreachable

PAGE = 1_000
"""So many answers are asked for at a time."""

Told: TypeAlias = Mapping[str, str]
"""Text by keyword, several values with backslashes between them, as in a DICOM data set."""

_AS_IT_IS = "*!$'(),:@/?"
"""May stand in a query as it is (RFC 3986 3.4); what does, even Orthanc 1.10 understands, which decodes nothing."""

_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is asked, and how much of the answer is read."""

    path: str
    keywords: Sequence[str]
    """What is read of each match; the first is the UID by which matches are told apart."""
    most: int
    """So many matches or a page more are read, and then no others."""
    query: Sequence[tuple[str, str]] = ()
    nothing: Collection[int] = (HTTPStatus.NO_CONTENT,)
    """Statuses that say that there is nothing."""


def search(peer: WebPeer, wanted: Search) -> list[Told]:
    """Ask for what matches, whatever size of page the archive likes.

    Raises
    ------
    PeerUnreachable
        Nobody answers, or with what cannot be read.
    PeerRefused
        The archive does not answer this.
    """
    found: dict[str, Told] = {}
    while len(found) <= wanted.most:
        query = [*wanted.query, ("limit", str(PAGE)), ("offset", str(len(found)))]
        status, told = ask_archive(peer, f"{wanted.path}?{urlencode(query, safe=_AS_IT_IS, quote_via=quote)}")
        if status != HTTPStatus.OK and status not in wanted.nothing:
            raise PeerRefused(f"{peer.url} answered {named(status)} to a query")
        page = _read([] if told is None else told, wanted.keywords, peer.url)
        if page.keys() <= found.keys():
            break
        found |= page
    return list(found.values())


def _read(told: Any, keywords: Sequence[str], url: str) -> dict[str, Told]:  # noqa: ANN401 - JSON of anybody
    """Read matches by their UIDs."""
    tags = {keyword: f"{tag_for_keyword(keyword):08X}" for keyword in keywords}
    try:
        read = [{keyword: _text(one.get(tag, {})) for keyword, tag in tags.items()} for one in _list(told)]
    except (TypeError, AttributeError) as fault:
        raise PeerUnreachable(f"{url} answers the query with what cannot be read") from fault
    if not all(one[keywords[0]] for one in read):
        raise PeerUnreachable(f"{url} answers the query with what cannot be read: a match without its UID")
    return {one[keywords[0]]: one for one in read}


def _list(told: Any) -> list[Any]:  # noqa: ANN401 - JSON of anybody
    if not isinstance(told, list):
        raise TypeError("no list")
    return told


def _text(element: Mapping[str, Any]) -> str:
    """Write the values of an element as text; a value that is missing is empty (PS3.18 F.2.5)."""
    return "\\".join(map(_value, _list(element.get("Value", []))))


def _value(value: Any) -> str:  # noqa: ANN401 - JSON of anybody
    if value is None:
        return ""
    if isinstance(value, dict):  # a person's name, by its groups
        return "=".join(str(value.get(group, "")) for group in _GROUPS).rstrip("=")
    return str(value)
