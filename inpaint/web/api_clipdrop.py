"""Clipdrop's clean-up API, for its clients: the same path, form and errors.

Facts after https://clipdrop.co/apis/docs/cleanup.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Request, UploadFile
from starlette.responses import Response

from inpaint.errors import PhotoError
from inpaint.options import FillOptions
from inpaint.web.api_native import picture_limits, read, save
from inpaint.web.replies import file_reply
from inpaint.web.service import Service
from inpaint.web.tasks import FillTask

SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
PNG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}, "image/jpeg": {}}}
}


def clipdrop_routes(service: Service) -> APIRouter:
    """The route."""
    routes = APIRouter(prefix="/cleanup", tags=["Clipdrop's"])

    @routes.post("/v1", responses=PNG, response_class=Response, summary="Remove what a mask marks")
    async def cleanup(
        request: Request, image_file: Annotated[UploadFile, File(description="PNG or JPEG")],
        mask_file: Annotated[UploadFile, File(description="PNG of the image's size; brighter than 127 is removed")],
        mode: Annotated[Literal["fast", "quality"], Form(description="the fill is the same with both")] = "fast",
    ) -> Response:  # fmt: skip
        """A PNG; a JPEG where the image is one and `Accept` names image/jpeg and not image/png."""
        head = await _head(image_file)
        if not head.startswith(SIGNATURES):
            raise PhotoError("image_file must be a PNG or a JPEG")
        if not (await _head(mask_file)).startswith(SIGNATURES[0]):
            raise PhotoError("mask_file must be a PNG")
        accept = request.headers.get("accept", "")
        wants_jpeg = "image/jpeg" in accept and "image/png" not in accept
        form = "JPEG" if wants_jpeg and head.startswith(SIGNATURES[1]) else "PNG"
        with service.folder() as folder:
            await save(image_file, folder / "photo")
            await save(mask_file, folder / "mask")
            task = FillTask(folder, FillOptions(), drawn=True, form=form, limits=picture_limits(service))
            outcome = await service.run(request, task)
            reply = file_reply(await read(folder, outcome), outcome.media, outcome.report)
            reply.headers["x-credits-consumed"] = "0"
            return reply

    return routes


async def _head(upload: UploadFile) -> bytes:
    head = await upload.read(8)
    await upload.seek(0)
    return head
