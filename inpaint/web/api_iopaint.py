"""IOPaint's API, for its clients: the same paths, JSON bodies and answers, filled by this program.

Facts after Sanster/IOPaint, iopaint/api.py and iopaint/schema.py at 0e4067b and 017a3d6.
"""

import asyncio
import base64
import binascii
import random
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from inpaint.errors import EmptyMask, OptionError, PhotoError
from inpaint.options import FillOptions
from inpaint.web.api_native import PICTURE, picture_limits, read
from inpaint.web.replies import error_reply, file_reply
from inpaint.web.service import Service, client_of
from inpaint.web.tasks import AdjustTask, FillTask, MaskTask, file_media

CLASSICAL = {"INPAINT_NS": "ns", "INPAINT_TELEA": "telea"}
PLUGIN = "InteractiveSeg"
SEEDS = 2**63 - 1


class Lenient(BaseModel):
    """A body whose further fields are accepted and without meaning here."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())


class InpaintBody(Lenient):
    """`/api/v1/inpaint`; `hd_strategy*`, `ldm_*`, `sd_*` and all else are accepted and ignored."""

    image: str = Field(description="base64, bare or as a data URL")
    mask: str = Field(description="base64, bare or as a data URL; what is brighter than 127 is the hole")
    model: str = Field("", description="a name from /api/v1/server-config; empty: the one chosen by POST /api/v1/model")
    cv2_flag: Literal["INPAINT_NS", "INPAINT_TELEA"] = Field("INPAINT_NS", description="for the model `cv2`")
    sd_seed: int = Field(42, ge=-1, le=SEEDS, description="-1: any")


class PluginBody(Lenient):
    """`/api/v1/run_plugin_gen_mask`."""

    name: str
    image: str
    clicks: list[Annotated[list[float], Field(min_length=2, max_length=3)]] = Field(
        [], description="[x, y, 1] on the object, [x, y, 0] beside it", max_length=200
    )


class AdjustBody(Lenient):
    """`/api/v1/adjust_mask`."""

    mask: str
    operate: Literal["expand", "shrink", "reverse"]
    kernel_size: int = Field(5, ge=0, le=100, description="pixels")


class ModelBody(Lenient):
    """`POST /api/v1/model`."""

    name: str


def decode(text: str, name: str) -> bytes:
    """A picture from base64, bare or as a data URL.

    Raises:
        PhotoError: it is no base64.
    """
    data = re.sub(r"\s+", "", text.partition(",")[2] if text.startswith("data:") else text)
    try:
        return base64.b64decode(data + "=" * (-len(data) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise PhotoError(f"{name} is not base64") from None


def model_info(name: str) -> dict[str, Any]:
    """A model as IOPaint describes those that only erase."""
    never = ("need_prompt", "support_strength", "support_outpainting", "support_lcm_lora", "support_controlnet",
             "support_brushnet", "support_powerpaint_v2", "is_single_file_diffusers")  # fmt: skip
    info: dict[str, Any] = {"name": name, "path": name, "model_type": "inpaint", "controlnets": [], "brushnets": []}
    return info | dict.fromkeys(never, False)


def iopaint_routes(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1", tags=["IOPaint's"])

    def names() -> list[str]:
        return [*service.settings.weights, "cv2"]

    def current(request: Request, wanted: str = "") -> str:
        return wanted or service.chosen.get(client_of(request), names()[0])

    async def put(folder: Path, **pictures: str) -> dict[str, bytes]:
        decoded = {name: await asyncio.to_thread(decode, text, name) for name, text in pictures.items()}
        for name, data in decoded.items():
            await asyncio.to_thread((folder / ("mask" if name == "mask" else "photo")).write_bytes, data)
        return decoded

    @routes.post("/inpaint", responses=PICTURE, response_class=Response, summary="Fill the hole of an image")
    async def inpaint(request: Request, body: InpaintBody) -> Response:
        """The filled image in the format and with the metadata of the one sent; `X-Seed` is the seed used."""
        model = current(request, body.model)
        if model not in names():
            raise OptionError(f"model must be one of {', '.join(names())}, got {model!r}")
        seed = random.randint(1, 99_999_999) if body.sd_seed == -1 else body.sd_seed
        options = FillOptions(engine=CLASSICAL[body.cv2_flag] if model == "cv2" else "auto", seed=seed)
        with service.folder() as folder:
            sent = await put(folder, image=body.image, mask=body.mask)
            limits = picture_limits(service)
            task = FillTask(folder, options, "" if model == "cv2" else model, drawn=True, limits=limits)
            try:
                outcome = await service.run(request, task)
                reply = file_reply(await read(folder, outcome), outcome.media, outcome.report)
            except EmptyMask:  # nothing to fill: there, the image comes back
                reply = Response(sent["image"], media_type=file_media(sent["image"]))
            reply.headers["X-Seed"] = str(seed)
            return reply

    @routes.post("/run_plugin_gen_mask", responses=PICTURE, response_class=Response, summary="An object's outline")
    async def run_plugin_gen_mask(request: Request, body: PluginBody) -> Response:
        """PNG, RGBA: ffcb00 with alpha 186 on the object that the clicks mean."""
        if body.name != PLUGIN:
            return error_reply(request.url.path, 422, "HTTPException", "Plugin not found")
        with service.folder() as folder:
            await put(folder, image=body.image)
            rule = {"kind": "object", "clicks": body.clicks}
            outcome = await service.run(request, MaskTask(folder, rule, True, picture_limits(service)))
            return file_reply(await read(folder, outcome), outcome.media, outcome.report)

    @routes.post("/adjust_mask", responses=PICTURE, response_class=Response, summary="Widen or narrow a mask")
    async def adjust_mask(request: Request, body: AdjustBody) -> Response:
        """PNG, RGBA: ffcb00 with alpha 186 where the mask is."""
        with service.folder() as folder:
            await put(folder, mask=body.mask)
            task = AdjustTask(folder, body.operate, body.kernel_size, picture_limits(service))
            outcome = await service.run(request, task)
            return file_reply(await read(folder, outcome), outcome.media, outcome.report)

    @routes.get("/server-config", summary="What this server can do")
    async def server_config() -> dict[str, Any]:
        """In IOPaint's words."""
        return {
            "plugins": [{"name": PLUGIN, "support_gen_image": False, "support_gen_mask": True}],
            "modelInfos": [model_info(name) for name in names()],
            "removeBGModel": "briaai/RMBG-1.4", "removeBGModels": [], "realesrganModel": "realesr-general-x4v3",
            "realesrganModels": [], "interactiveSegModel": "mobile_sam", "interactiveSegModels": ["mobile_sam"],
            "enableFileManager": False, "enableAutoSaving": False, "enableControlnet": False,
            "controlnetMethod": None, "disableModelSwitch": False, "isDesktop": False, "samplers": [],
        }  # fmt: skip

    @routes.get("/model", summary="The model in use")
    async def current_model(request: Request) -> dict[str, Any]:
        """Of this client: a choice is the client's own, by its key or address."""
        return model_info(current(request))

    @routes.post("/model", summary="Choose a model")
    async def switch_model(request: Request, body: ModelBody) -> dict[str, Any]:
        """For this client."""
        if body.name not in names():
            raise OptionError(f"model must be one of {', '.join(names())}, got {body.name!r}")
        service.choose_model(client_of(request), body.name)
        return model_info(body.name)

    @routes.get("/samplers", summary="Samplers of diffusion models: none")
    @routes.post("/samplers", include_in_schema=False)  # IOPaint's page asks so
    async def samplers() -> list[str]:
        """Nothing here is sampled."""
        return []

    @routes.post("/gen-info", include_in_schema=False)
    async def gen_info(body: Annotated[Any, Body()] = None) -> dict[str, str]:
        """Its page asks for the prompt in every photo that is opened; here there is none."""
        return {"prompt": "", "negative_prompt": ""}

    return routes
