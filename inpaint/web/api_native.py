"""The native API: `/v1/fill`, `/v1/mask/{kind}`, `/v1/models`. Its options are those of `FillOptions`."""

import asyncio
import inspect
import json
import shutil
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from starlette.responses import Response

from inpaint.errors import OptionError
from inpaint.options import MASK_IS, FillOptions
from inpaint.photo.formats import BY_NAME
from inpaint.photo.limits import Limits
from inpaint.web.replies import file_reply
from inpaint.web.service import Service
from inpaint.web.tasks import FillTask, MaskTask, Outcome

MASK_KINDS = Literal["auto", "white", "black", "alpha", "transparent"]
KINDS = Literal["text", "object", "scratches", "region"]
FORMS = Literal["", "PNG", "JPEG", "WEBP", "TIFF", "BMP", "AVIF", "HEIF", "GIF"]
assert set(FORMS.__args__) - {""} == set(BY_NAME)  # type: ignore[attr-defined]
assert MASK_KINDS.__args__ == MASK_IS  # type: ignore[attr-defined]
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture; `X-Inpaint-Report` says in JSON what was done.",
        "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}, "application/json": {},
                    "multipart/form-data": {}},
    },
}  # fmt: skip


def _kind(option: Field[Any]) -> Any:
    chosen = option.metadata.get("choices")
    return Literal[chosen] if chosen else type(option.default)  # type: ignore[valid-type]


def _form_options() -> Callable[..., FillOptions]:
    """A dependency that reads every field of `FillOptions` from a form, with its default and its help."""

    def options(**values: Any) -> FillOptions:
        return FillOptions(**values)

    options.__signature__ = inspect.Signature([  # type: ignore[attr-defined]
        inspect.Parameter(
            option.name, inspect.Parameter.KEYWORD_ONLY, default=option.default,
            annotation=Annotated[
                _kind(option),
                Form(description=str(option.metadata["help"])),
            ],
        )
        for option in fields(FillOptions)
    ])  # fmt: skip
    return options


form_options = _form_options()


def parse_json(text: str, name: str) -> Any:
    """A form field as JSON, or as it is where it does not begin like JSON.

    Raises:
        OptionError: it begins like JSON and is none.
    """
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OptionError(f"{name} is not JSON ({error})") from None


async def save(upload: UploadFile, path: Path) -> None:
    """Copy an upload into a file, whose name is ours."""

    def copy() -> None:
        with path.open("wb") as file:
            shutil.copyfileobj(upload.file, file, 1 << 20)

    await asyncio.to_thread(copy)


async def read(folder: Path, outcome: Outcome) -> bytes:
    """The file that a task made."""
    return await asyncio.to_thread((folder / outcome.file).read_bytes)


class FillForm:
    """What `/v1/fill` and `/v1/jobs` are asked: the files, the mask and the options."""

    def __init__(
        self,
        photo: Annotated[UploadFile, File(description="PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF or HEIC")],
        options: Annotated[FillOptions, Depends(form_options)],
        mask: Annotated[UploadFile | None, File(description="a picture of the hole; or say a rule")] = None,
        rule: Annotated[str, Form(
            description="mask rule in place of a mask file, as JSON or text: `region:bottom-right 18%x6%`, "
            '`{"kind": "text", "dilate": 3}`',
        )] = "",
        mask_is: Annotated[MASK_KINDS, Form(description="which part of the mask file is the hole")] = "auto",
        model: Annotated[str, Form(description="a name from `/v1/models`; the default where empty")] = "",
        format: Annotated[FORMS, Form(description="format of the result; the photo's own where empty")] = "",
        lossless: Annotated[bool, Form(description="refuse to move kept pixels, as writing a JPEG may")] = False,
    ) -> None:  # fmt: skip
        self.photo, self.mask, self.options = photo, mask, options
        self.settings: dict[str, Any] = {"model": model, "mask_is": mask_is, "form": format, "lossless": lossless}
        self.rule = parse_json(rule, "rule") if rule.strip() else None

    async def task(self, folder: Path, service: Service) -> FillTask:
        """Put the files into a folder; the work that they ask for.

        Raises:
            OptionError: neither a mask nor a rule, or both.
        """
        if (self.mask is None) == (self.rule is None):
            raise OptionError("a fill needs either a mask file or a mask rule")
        await save(self.photo, folder / "photo")
        if self.mask is not None:
            await save(self.mask, folder / "mask")
        return FillTask(folder, self.options, rule=self.rule, limits=picture_limits(service), **self.settings)


def picture_limits(service: Service) -> Limits:
    """How large a picture may be."""
    return Limits(service.limits.pixels, service.limits.body_bytes)


def native_routes(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["native"])

    @routes.post("/fill", responses=PICTURE, response_class=Response, summary="Fill the hole of a photo")
    async def fill(
        request: Request, form: Annotated[FillForm, Depends()],
        reply: Annotated[Literal["file", "json", "multipart"], Form(
            description="the file with a short report in a header; or the whole report beside it",
        )] = "file",
    ) -> Response:  # fmt: skip
        """Fills what the mask marks and changes nothing else; metadata, profile, depth and format come back as sent."""
        with service.folder() as folder:
            outcome = await service.run(request, await form.task(folder, service))
            return file_reply(await read(folder, outcome), outcome.media, outcome.report, reply)

    @routes.post("/mask/{kind}", responses=PICTURE, response_class=Response, summary="Find a mask")
    async def mask(
        request: Request, kind: KINDS, photo: Annotated[UploadFile, File()],
        settings: Annotated[str, Form(
            description="JSON object of the kind's settings, such as "
            '`{"sensitivity": 0.7, "dilate": 3}`, `{"clicks": [[320, 240]]}`, `{"region": "bottom-right 18%x6%"}`',
            examples=['{"dilate": 3}'],
        )] = "{}",
        scribble: Annotated[UploadFile | None, File(description="for `object`: a rough painting on it")] = None,
        reply: Annotated[Literal["file", "json", "multipart"], Form()] = "file",
    ) -> Response:  # fmt: skip
        """A PNG of the photo's size, white on what was found, black where nothing was."""
        wanted = parse_json(settings, "settings")
        if not isinstance(wanted, dict):
            raise OptionError("settings must be a JSON object")
        with service.folder() as folder:
            await save(photo, folder / "photo")
            if scribble is not None:
                await save(scribble, folder / "scribble")
            task = MaskTask(folder, {**wanted, "kind": kind}, limits=picture_limits(service))
            outcome = await service.run(request, task)
            return file_reply(await read(folder, outcome), outcome.media, outcome.report, reply)

    @routes.get("/models", summary="The networks that fill here")
    async def models() -> dict[str, list[dict[str, Any]]]:
        """The default first."""
        return {"models": service.models}

    return routes
