"""The images of a job on the page: as pictures, and as numbers that a browser windows by itself."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import Protocol

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import JSONResponse

from gateway.model.ids import JobId
from gateway.model.picture import Grey, Sheet
from gateway.web.addresses import Number
from gateway.web.door import MayLook


class Pictures(Protocol):
    """Where images come from; what is not there, or has been deleted, is None."""

    def sheets(self, job: JobId) -> list[Sheet]:
        """List the series of a job."""

    def png(self, job: JobId, image: int) -> bytes | None:
        """Draw an image, counted from 1, by its own window."""

    def grey(self, job: JobId, image: int) -> Grey | None:
        """Read an image, counted from 1."""


def images(pictures: Pictures) -> APIRouter:
    """Serve the images."""
    router = APIRouter(prefix="/jobs/{number}/images")

    @router.get("")
    def sheets(number: Number, _visitor: MayLook) -> JSONResponse:
        return JSONResponse([asdict(one) for one in pictures.sheets(JobId(number))])

    @router.get("/{image}.png")
    def png(number: Number, image: Number, _visitor: MayLook) -> Response:
        found = pictures.png(JobId(number), image)
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return Response(found, media_type="image/png")

    @router.get("/{image}.u16")
    def grey(number: Number, image: Number, _visitor: MayLook) -> Response:
        found = pictures.grey(JobId(number), image)
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return numbers_of(found)

    return router


def numbers_of(image: Grey) -> Response:
    """Answer with the numbers of an image, and with what a viewer has to know of them."""
    told = ("rows", "columns", "aspect", "center", "width", "signed", "pixel_mm", "right", "down")
    headers = {f"X-Image-{name.capitalize().replace('_', '-')}": str(getattr(image, name)) for name in told}
    return Response(image.pixels, media_type="application/octet-stream", headers=headers)
