"""What the canvas asks of the server: one dictionary in, one out, JSON values only."""

import logging
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inpaint.errors import Cancelled, EmptyMask, InpaintError, MaskError, OptionError, PhotoError, WeightsError
from inpaint.filling.progress import Listener
from inpaint.options import FillOptions
from inpaint.photo.files import FORMATS
from inpaint.photo.formats import BY_NAME
from inpaint.web.finding import find_object, find_scratches, find_text
from inpaint.web.folder import PhotoFolder
from inpaint.web.messages import translate_reply
from inpaint.web.networks import Networks
from inpaint.web.pictures import Mask
from inpaint.web.session import Session, SessionGone, SessionStore
from inpaint.web.thumbnails import Thumbnails
from inpaint.web.trust import depth_doubt, disagreement, paint_doubt, summary
from inpaint.web.turns import Turns
from inpaint.web.work import (
    Busy,
    FillRequest,
    cancel,
    check_cancelled,
    fill_again,
    fill_current,
    painted,
    restore,
    with_progress,
)

Message = dict[str, Any]
LOG = logging.getLogger("inpaint.page")
KINDS = {Cancelled: "cancelled", EmptyMask: "empty", SessionGone: "gone", Busy: "busy"}  # texts that i18n.py has


class Actions:
    """All that can be asked.

    Args:
        store: the sessions.
        networks: what fills.
        uploads: the folder into which the web server puts uploaded files.
        photos: a folder of the server that may be browsed; nothing beside it and the uploads is opened.
    """

    def __init__(
        self, store: SessionStore, networks: Networks, uploads: Callable[[], str], photos: PhotoFolder | None = None
    ) -> None:  # fmt: skip
        self.store, self.networks, self.uploads, self.photos = store, networks, uploads, photos
        self.thumbnails = Thumbnails(store.root / "thumbnails", store.limits, store.decoders)
        self.turns = Turns()  # of all who compute here; the HTTP API brings its own, for both

    def ask(self, request: Message) -> Message:
        """Something quick.

        Args:
            request: `action` names it, `token` the session, the rest is its own.

        Returns:
            `{"state": ...}` and what else there is to say, or `{"error": ...}`.
        """
        return translate_reply(self._answer(request), language_in(request))  # type: ignore[no-any-return]

    def _answer(self, request: Message) -> Message:
        action = str(request.get("action"))
        session: Session | None = None
        try:
            if action == "open":
                session = self.store.open(self.uploaded(request.get("path")), str(request.get("name", "photo")))
                return {"state": session.describe()}
            if action == "open_listed":
                session = self._open_listed(str(request.get("path")))
                return {"state": session.describe()}
            session = self.store.get(request.get("token"))
            return getattr(self, f"_{action}", self._unknown)(session, request)
        except InpaintError as error:
            return explain(error, session)
        except (KeyError, TypeError, ValueError) as error:
            return {"error": {"kind": "", "text": f"the page asked for something that cannot be done ({error!r})"}}

    def work(self, request: Message, options: dict[str, Any], model: str) -> Iterator[Message]:
        """Something slow: `fill`, `again`, `text`, `scratches` or `object`.

        Args:
            request: `work` names it, `token` the session, the rest is its own.
            options: fields of `FillOptions`.
            model: name of the network, "" for the default.

        Yields:
            progress, and at last a message of kind `done` or `error`.
        """
        session: Session | None = None
        job = str(request.get("job", ""))
        try:
            session = self.store.get(request.get("token"))
            held, work = session, str(request.get("work"))
            if work in ("fill", "again"):
                wanted = FillRequest(request.get("operations", []), FillOptions(**options), model, _shown(request))
                how = fill_current if work == "fill" else fill_again

                def do(tell: Listener) -> Message:
                    return {"kind": "done", "work": work, "made": how(held, self.networks, wanted, tell)}
            else:

                def do(tell: Listener) -> Message:
                    tell(work, 0.0)
                    mask = find_mask(held, work, request)
                    check_cancelled(held)
                    return {"kind": "done", "work": work, "mask": self._kept(held, mask)}

            for message in with_progress(session, do, job, self.turns):
                state = {} if message["kind"] == "progress" else {"state": session.describe()}
                yield translate_reply(message | state, language_in(request)) | {"job": job}
        except InpaintError as error:
            yield {"kind": "error", "job": job} | translate_reply(explain(error, session), language_in(request))

    def _open_listed(self, name: str) -> Session:
        """A photo of the folder that may be browsed; the file itself stays as it is."""
        if self.photos is None:
            raise OptionError("this server shows no folder of photos")
        path = self.photos.path(name)
        if FORMATS.get(path.suffix.lower()) is None or not path.is_file():
            raise PhotoError(f"{path.name}: is no photo")
        return self.store.open(path, path.name)

    def _resume(self, session: Session, request: Message) -> Message:
        return {"state": session.describe()}

    def _go(self, session: Session, request: Message) -> Message:
        session.go(int(request["step"]))
        return {"state": session.describe()}

    def _restore(self, session: Session, request: Message) -> Message:
        made = restore(session, request["operations"], _shown(request))
        return {"state": session.describe(), "made": made}

    def _cancel(self, session: Session, request: Message) -> Message:
        cancel(session, str(request.get("job", "")))
        return {}

    def _edit(self, session: Session, request: Message) -> Message:
        mask = painted(session, request["operations"])
        kind, pixels = request["kind"], float(request.get("pixels", 0))
        if not mask.any() and kind != "invert":
            raise EmptyMask("paint something first")
        return {"mask": self._kept(session, edited(mask, kind, pixels))}

    def _region(self, session: Session, request: Message) -> Message:
        from inpaint.masking import region_mask

        photo = session.pixels(session.base(_shown(request)))
        return {"mask": self._kept(session, region_mask(session.shape, str(request["region"]), photo))}

    def _upload_mask(self, session: Session, request: Message) -> Message:
        path = self.uploaded(request.get("path"))
        orientation = session.photo.source.orientation if session.photo.source else 1
        try:
            mask, notes = session.decoders.mask(
                path, session.shape, str(request.get("mask_is", "auto")), orientation, session.limits
            )
        except InpaintError as error:
            raise MaskError(str(error).replace(str(path), path.name)) from None
        name = path.name
        return {"mask": self._kept(session, mask), "notes": [n.replace(str(path), name) for n in notes]}

    def _save_mask(self, session: Session, request: Message) -> Message:
        mask = painted(session, request["operations"])
        if not mask.any():
            raise EmptyMask("paint something first")
        folder = self._new_folder(session)
        path = folder / f"{session.path.stem}_mask.png"
        Image.fromarray(mask.astype(np.uint8) * 255).save(path)
        return {"file": str(path), "name": path.name}

    def _download(self, session: Session, request: Message) -> Message:
        number = int(request["step"])
        folder = self._new_folder(session)
        form = session.photo.source.format if session.photo.source else "PNG"
        path = folder / output_name(session.path, form, bool(request.get("png")), number > 0)
        saved = session.save(number, path)
        proof = saved.verification.sentence if saved.verification else ""
        return {"file": str(path), "name": path.name, "proof": proof, "notes": plain(saved.notes, path)}

    def _trust(self, session: Session, request: Message) -> Message:
        number, kind = int(request["step"]), request.get("kind", "depth")
        if session.steps[number].kind != "fill":
            raise MaskError("there is no fill to judge yet")
        doubt = disagreement(session, number) if kind == "disagreement" else depth_doubt(session, number)
        hole = session.hole(number)
        path = session.folder / f"{number}-{'disagreement' if kind == 'disagreement' else 'depth'}.png"
        Image.fromarray(paint_doubt(doubt, hole, session.proxy)).save(path, compress_level=1)
        return {"picture": str(path), "kind": kind} | summary(doubt, hole)

    def _unknown(self, session: Session, request: Message) -> Message:
        raise OptionError(f"the page asked for {request.get('action')!r}, which this server does not know")

    def _kept(self, session: Session, mask: Mask) -> Message:
        name = session.add_mask(mask)
        return {"id": name, "picture": str(session.mask_file(name)), "pixels": int(mask.sum())}

    def _new_folder(self, session: Session) -> Path:
        folder = session.folder / f"out-{secrets.token_hex(6)}"
        folder.mkdir()
        return folder

    def uploaded(self, path: Any) -> Path:
        """The file of an upload.

        Raises:
            PhotoError: it was not uploaded to this server, or is gone.
        """
        found = Path(str(path or "")).resolve()
        if not found.is_relative_to(Path(self.uploads()).resolve()) or not found.is_file():
            raise PhotoError("this file was not uploaded here")
        return found


def _shown(request: Message) -> int | None:
    """The step that the page shows, if it says so."""
    return None if request.get("step") is None else int(request["step"])


def language_in(request: Message) -> str:
    """The language in which a request of the page wants its answer."""
    return "zh-CN" if request.get("language") == "zh-CN" else "en"


def explain(error: InpaintError, session: Session | None) -> Message:
    """An error as the page shows it: a kind that it can translate, and a sentence without folders of the server."""
    text = str(error)
    if isinstance(error, WeightsError):
        LOG.error("%s", error)
        text = "this model cannot be used; the server's log says why"
    if session is not None:
        for folder in (session.path.parent, session.folder):
            text = text.replace(f"{folder}{os.sep}", "")
    kind = error.kind if isinstance(error, NothingFound) else KINDS.get(type(error), "")
    return {"error": {"kind": kind, "text": without_folders(text)}}


def without_folders(text: str) -> str:
    """A sentence in which files of the server have only their names."""
    words = [w if not w.startswith("/") or "/" not in w[1:] else w.rsplit("/", 1)[-1] for w in text.split(" ")]
    return " ".join(words)


def plain(notes: list[str], path: Path) -> list[str]:
    """Notes without the path in front."""
    return [note.replace(f"{path}: ", "") for note in notes]


def output_name(path: Path, form: str, png: bool, filled: bool) -> str:
    """`holiday.jpg` -> `holiday_filled.jpg`; the ending is that of `form`, the format of what the file really is."""
    suffix = path.suffix if FORMATS.get(path.suffix.lower()) == form else BY_NAME[form].suffixes[0]
    return f"{path.stem}{'_filled' if filled else ''}{'.png' if png else suffix}"


def edited(mask: Mask, kind: str, pixels: float) -> Mask:
    """A mask changed by `grow`, `shrink`, `smooth`, `fill_holes` or `invert`.

    Raises:
        OptionError: another kind.
        EmptyMask: nothing is left.
    """
    from inpaint.masking import fill_holes, grow, invert, shrink, smooth

    ways: dict[str, Callable[[], Mask]] = {
        "grow": lambda: grow(mask, pixels), "shrink": lambda: shrink(mask, pixels), "invert": lambda: invert(mask),
        "smooth": lambda: smooth(mask, pixels), "fill_holes": lambda: fill_holes(mask),
    }  # fmt: skip
    if kind not in ways:
        raise OptionError(f"a mask can be changed by {', '.join(ways)}, not by {kind!r}")
    result = ways[kind]()
    if not result.any():
        raise EmptyMask("nothing would be left of the mask")
    return result


def find_mask(session: Session, work: str, request: Message) -> Mask:
    """A mask found in the step that is shown: `text`, `scratches` or `object`.

    Raises:
        OptionError: another kind.
        EmptyMask: nothing was found.
    """
    from inpaint.masking import grow

    photo = session.pixels(session.base(_shown(request)))
    sensitivity = float(request.get("sensitivity", 0.5))
    ways: dict[str, Callable[[], Mask]] = {
        "text": lambda: find_text(photo, sensitivity), "scratches": lambda: find_scratches(photo, sensitivity),
        "object": lambda: find_object(photo, request),
    }  # fmt: skip
    if work not in ways:
        raise OptionError(f"the page asked for {work!r}, which this server does not know")
    mask = ways[work]()
    if not mask.any():
        raise NothingFound(f"no {work} was found", f"no-{work}")
    margin = float(request.get("margin", 0))
    return grow(mask, margin) if margin else mask


class NothingFound(EmptyMask):
    """A search for a mask came back with nothing; `kind` names the text that the page shows."""

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(text)
        self.kind = kind
