"""The images of a job: which there are, as pictures, and as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Protocol

from fastapi import APIRouter, HTTPException, Response

from gateway.api.gate import MayLook
from gateway.api.words import Number
from gateway.jobs.queries import Queries
from gateway.model.ids import JobId
from gateway.model.picture import Grey, Sheet

TOLD = ("rows", "columns", "aspect", "center", "width", "signed")
"""What the headers ``X-Image-...`` say of the numbers."""

_HEADERS = {f"X-Image-{name.capitalize()}": {"schema": {"type": "string"}} for name in TOLD}


class Pictures(Protocol):
    """The images of a job."""

    def sheets(self, job: JobId) -> Sequence[Sheet]:
        """List the series that can be shown."""

    def png(self, job: JobId, image: int) -> bytes | None:
        """Draw an image, counted from 1; None where there is none."""

    def grey(self, job: JobId, image: int) -> Grey | None:
        """Read an image, counted from 1; None where there is none."""


def _binary(kind: str, **more: Any) -> dict[int | str, dict[str, Any]]:  # noqa: ANN401 - of OpenAPI
    return {200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}}}, **more}}


def images(queries: Queries, pictures: Pictures) -> APIRouter:
    """Serve images."""
    router = APIRouter(prefix="/jobs/{number}/images", tags=["jobs"])

    @router.get("", summary="List the series of a job that can be shown")
    def job_images(_caller: MayLook, number: Number) -> list[Sheet]:
        return list(pictures.sheets(queries.job(number).id))

    @router.get(
        "/{image}.png",
        summary="Draw an image, counted from 1 over all series",
        response_class=Response,
        responses=_binary("image/png"),
    )
    def job_image(_caller: MayLook, number: Number, image: Number) -> Response:
        png = pictures.png(JobId(number), image)
        if png is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return Response(png, media_type="image/png")

    @router.get(
        "/{image}.u16",
        summary="Give the numbers of an image, 16 bits each, little-endian, row by row",
        response_class=Response,
        responses=_binary("application/octet-stream", headers=_HEADERS),
    )
    def job_numbers(_caller: MayLook, number: Number, image: Number) -> Response:
        grey = pictures.grey(JobId(number), image)
        if grey is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        headers = {f"X-Image-{name.capitalize()}": str(getattr(grey, name)) for name in TOLD}
        return Response(grey.pixels, media_type="application/octet-stream", headers=headers)

    return router
