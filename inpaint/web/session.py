"""One person's photo on the page: the file, every step made from it, its masks, and how long all of it is kept."""

import secrets
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from inpaint.errors import InpaintError, MaskError, OptionError, OutputError, shown
from inpaint.photo.files import Saved
from inpaint.photo.limits import Limits
from inpaint.photo.picture import Photo, Pixels
from inpaint.web.decoding import Decoders, Steps, apply_steps
from inpaint.web.pictures import Mask, proxy_size, thumbnail_size, write_mask, write_picture

MOST_STEPS = 200  # of one photo
MOST_MASKS = 500


class SessionGone(InpaintError):
    """The photo of a page was removed from the server, or never was there."""


@dataclass
class Step:
    """A state of the photo.

    Args:
        number: 0 for the photo as opened.
        parent: the step it was made from; -1 for the first.
        kind: `open`, `fill` or `restore`.
        group: steps of one fill that are alternatives share it.
        mask: id of the mask that was painted, or "".
        report: what was done, for the page.
    """

    number: int
    parent: int
    kind: str
    group: int = 0
    mask: str = ""
    report: dict[str, Any] = field(default_factory=dict)


class Session:
    """A photo with its history.

    A step keeps only the pixels that it changed, on disk, so that a long history of a large photo stays small.

    Args:
        folder: of its own, for what is made from the photo.
        path: the photo's file, where nothing else is written.
        limits: larger files are refused.
        decoders: read and write the file.
    """

    def __init__(self, folder: Path, path: Path, limits: Limits, decoders: Decoders) -> None:
        self.decoders = decoders
        self.token, self.folder, self.path, self.limits = folder.name, folder, path, limits
        self.lock = threading.RLock()
        self.cancelled = threading.Event()
        self.job = ""  # what the page calls the work in hand
        self.unwanted: set[str] = set()  # work that was cancelled before its turn
        self.busy = False
        self.seen = time.monotonic()
        self.steps: list[Step] = []
        self.current = 0
        self._redo: dict[int, int] = {}
        self._masks: dict[str, tuple[np.ndarray[Any, Any], tuple[int, int]]] = {}
        self._photo: Photo | None = decoders.photo(path, limits)
        self.height, self.width = self._photo.pixels.shape[:2]
        self.notes = [note.removeprefix(f"{shown(path)}: ") for note in self._photo.notes]
        self._pixels: tuple[int, Pixels] = (0, self._photo.pixels)
        self._add(Step(0, -1, "open"), self._photo.pixels)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.height, self.width

    @property
    def proxy(self) -> tuple[int, int]:
        """(width, height) at which the photo is shown."""
        return proxy_size(self.width, self.height)

    @property
    def photo(self) -> Photo:
        """The photo as opened; read again where it was let go."""
        with self.lock:
            if self._photo is None:
                self._photo = self.decoders.photo(self.path, self.limits)
            return self._photo

    def let_go(self) -> None:
        """Free the pixels; the next use reads the file again."""
        with self.lock:
            if not self.busy:
                self._photo, self._pixels = None, (-1, np.zeros((0, 0, 3), np.uint8))

    def pixels(self, number: int) -> Pixels:
        """The pixels of a step, uint8 or uint16 (H, W, 3); not to be written to."""
        with self.lock:
            self._step(number)
            if self._pixels[0] != number:
                self._pixels = (number, apply_steps(self.photo.pixels, self._files(number))[0])
            return self._pixels[1]

    def chain(self, number: int) -> list[int]:
        """The steps from the opened photo to a step."""
        chain = [number]
        while self.steps[chain[-1]].parent >= 0:
            chain.append(self.steps[chain[-1]].parent)
        return chain[::-1]

    def hole(self, number: int) -> Mask:
        """What a step was allowed to change, bool (H, W)."""
        self._step(number)
        if number == 0:
            return np.zeros(self.shape, bool)
        packed = np.load(self.folder / f"{number}-hole.npy")
        return np.unpackbits(packed, count=self.width * self.height).reshape(self.shape).astype(bool)

    def save(self, number: int, output: Path) -> Saved:
        """Write a step as a file and prove it against the opened photo; errors as those of `save_photo`."""
        return self.decoders.save(self.path, self.limits, self._files(number), output)

    def add_step(
        self, parent: int, kind: str, pixels: Pixels, hole: Mask, report: dict[str, Any], group: int = 0, mask: str = ""
    ) -> int:
        """Keep a new state of the photo.

        Args:
            parent: the step it was made from.
            kind: `fill` or `restore`.
            pixels: of the whole photo; only those in the hole are kept.
            hole: bool (H, W).
            report: what was done, for the page.
            group: alternatives share it.
            mask: id of the mask that was painted.

        Returns:
            its number; it is not yet the current one.

        Raises:
            OutputError: too many steps.
        """
        with self.lock:
            if len(self.steps) >= MOST_STEPS:
                raise OutputError(f"this photo has {MOST_STEPS} steps, download it and open it again to go on")
            number = len(self.steps)
            np.save(self.folder / f"{number}-hole.npy", np.packbits(hole))
            np.save(self._values(number), pixels[hole])
            self._add(Step(number, parent, kind, group, mask, report), pixels)
            return number

    def go(self, number: int) -> None:
        """Make a step the current one."""
        with self.lock:
            self._step(number)
            self.current = number
            chain = self.chain(number)
            self._redo.update(pairwise(chain))

    def base(self, shown: int | None) -> int:
        """The step that new work goes on from: the one that a page shows, with what was restored in it since.

        Args:
            shown: its number; another page of the same photo may have gone elsewhere. None: the current step.

        Raises:
            OptionError: there is no such step.
        """
        with self.lock:
            if shown is None:
                return self.current
            self._step(shown)
            chain = self.chain(self.current)
            since = chain[chain.index(shown) + 1 :] if shown in chain else chain
            return self.current if all(self.steps[number].kind == "restore" for number in since) else shown

    def add_mask(self, mask: Mask) -> str:
        """Keep a mask, bool (H, W); returns its id."""
        with self.lock:
            if len(self._masks) >= MOST_MASKS:
                del self._masks[next(iter(self._masks))]
            name = f"m{secrets.token_hex(8)}"
            self._masks[name] = (np.packbits(mask), mask.shape)
            write_mask(self.mask_file(name), mask, self.proxy)
            return name

    def mask(self, name: str) -> Mask:
        """A mask by its id, bool (H, W).

        Raises:
            MaskError: no such mask.
        """
        with self.lock:
            if name not in self._masks:
                raise MaskError("this mask is no longer on the server, paint it again")
            packed, shape = self._masks[name]
        return np.unpackbits(packed, count=shape[0] * shape[1]).reshape(shape).astype(bool)

    def mask_file(self, name: str) -> Path:
        """The PNG of a mask, at the size of the shown photo."""
        return self.folder / f"{name}.png"

    def describe(self) -> dict[str, Any]:
        """All that the page shows of this session, as JSON values."""
        with self.lock:
            return {
                "token": self.token, "name": self.path.name, "width": self.width, "height": self.height,
                "proxy": list(self.proxy), "current": self.current, "notes": self.notes,
                "undo": self.steps[self.current].parent, "redo": self._redo.get(self.current, -1),
                "steps": [self._describe(step) for step in self.steps],
            }  # fmt: skip

    def _describe(self, step: Step) -> dict[str, Any]:
        mask = {"id": step.mask, "picture": str(self.mask_file(step.mask))} if step.mask in self._masks else None
        return {
            "number": step.number, "parent": step.parent, "kind": step.kind, "group": step.group, "mask": mask,
            "picture": str(self.folder / f"{step.number}.png"), "report": step.report,
            "thumbnail": str(self.folder / f"{step.number}-small.png"),
        }  # fmt: skip

    def _add(self, step: Step, pixels: Pixels) -> None:
        write_picture(self.folder / f"{step.number}.png", self.photo, pixels, self.proxy)
        small = thumbnail_size(self.width, self.height)
        write_picture(self.folder / f"{step.number}-small.png", self.photo, pixels, small)
        self.steps.append(step)

    def _step(self, number: int) -> Step:
        if not 0 <= number < len(self.steps):
            raise OptionError("this step is not on the server")
        return self.steps[number]

    def _files(self, number: int) -> Steps:
        return [(self.folder / f"{step}-hole.npy", self._values(step)) for step in self.chain(number)[1:]]

    def _values(self, number: int) -> Path:
        return self.folder / f"{number}-values.npy"


class SessionStore:
    """All sessions of a server.

    Args:
        limits: larger photos are refused.
        max_age: seconds without use after which a session and its files are removed.
        most: sessions kept; beyond, the one unused for longest goes.
        loaded: sessions whose pixels stay in memory.
    """

    def __init__(
        self, limits: Limits = Limits(), max_age: float = 6 * 3600, most: int = 100, loaded: int = 4
    ) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="inpaint-page-")).resolve()
        self.decoders = Decoders()
        self.limits, self.max_age, self.most, self.loaded = limits, max_age, most, loaded
        self._sessions: dict[str, Session] = {}
        self._scratch: dict[Path, float] = {}
        self._lock = threading.Lock()

    def open(self, upload: Path, name: str) -> Session:
        """A new session with a copy of a file.

        Args:
            upload: the file; it stays, since whoever uploads the same file again is given the same path.
            name: what the person called it.

        Raises:
            PhotoError: it is no photo that can be read.
        """
        self.sweep()
        folder = self.root / secrets.token_urlsafe(24)
        path = folder / "photo" / safe_name(name)  # apart from the steps: a photo may be called 0.png
        path.parent.mkdir(parents=True)
        try:
            shutil.copyfile(upload, path)
            session = Session(folder, path, self.limits, self.decoders)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        with self._lock:
            self._sessions[session.token] = session
        self.sweep()
        return session

    def get(self, token: Any) -> Session:
        """The session of a token.

        Raises:
            SessionGone: there is none.
        """
        with self._lock:
            session = self._sessions.get(token) if isinstance(token, str) else None
            if session is None:
                raise SessionGone("this photo is no longer on the server, open it again")
            session.seen = time.monotonic()
            return session

    def scratch(self) -> Path:
        """A new folder for one result, removed when it is too old."""
        folder = self.root / secrets.token_urlsafe(24)
        folder.mkdir()
        self.still_used(folder)
        return folder

    def still_used(self, folder: Path) -> None:
        """Count the age of a folder from `scratch` from now on."""
        with self._lock:
            self._scratch[folder] = time.monotonic()

    def sweep(self) -> None:
        """Remove sessions that are too old or too many, and free the pixels of all but the latest."""
        with self._lock:
            latest = sorted(self._sessions.values(), key=lambda session: -session.seen)
            old = time.monotonic() - self.max_age
            gone = [s for i, s in enumerate(latest) if (i >= self.most or s.seen < old) and not s.busy]
            for session in gone:
                del self._sessions[session.token]
            scratch = [folder for folder, used in self._scratch.items() if used < old]
            for folder in scratch:
                del self._scratch[folder]
        for folder in [session.folder for session in gone] + scratch:
            shutil.rmtree(folder, ignore_errors=True)
        for session in latest[self.loaded :]:
            if session not in gone:
                session.let_go()

    def keep_sweeping(self, every: float = 600) -> None:
        """Sweep now and then for as long as the program runs."""

        def again() -> None:
            while True:
                time.sleep(every)
                self.sweep()

        threading.Thread(target=again, daemon=True, name="sweep").start()

    def close(self) -> None:
        """Remove everything."""
        with self._lock:
            self._sessions.clear()
        self.decoders.close()
        shutil.rmtree(self.root, ignore_errors=True)


def safe_name(name: str) -> str:
    """A file name without folders, control characters and leading dots, short enough for every file system."""
    text = "".join(c for c in str(name).replace("\\", "/").rsplit("/", 1)[-1] if c.isprintable() and c not in '<>:"|?*')
    text = text.strip().lstrip(".") or "photo"
    stem, dot, suffix = text.rpartition(".") if "." in text[-12:] else (text, "", "")
    return stem.encode()[:160].decode(errors="ignore") + dot + suffix
