"""One task from its files to its output, in whatever process or machine it is done."""

import hashlib
import os
import re
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from inpaint.batch import places
from inpaint.batch.masks import mask_maker
from inpaint.batch.plan import ALPHA, Task
from inpaint.errors import Cancelled, EmptyMask, InpaintError, OutputError, PhotoError, RecipeError, shown
from inpaint.fill_file import FileResult, FillJob, fill_file
from inpaint.filling.report import FillResult
from inpaint.filling.threads import set_threads
from inpaint.inpainter import Inpainter
from inpaint.masking.rules import MaskRule
from inpaint.models.layers import InpaintingNetwork
from inpaint.photo.access import PictureFiles
from inpaint.photo.provenance import read_recipe, recipe_path
from inpaint.photo.staging import Staging

Ask = Callable[[str], bool]  # the hash of what is about to appear -> whether it may
Turn = Callable[[], AbstractContextManager[Any]]  # held while something is computed


@dataclass(frozen=True)
class Settings:
    """What all tasks of a run share.

    Args:
        template: a job whose photo, mask and output each task replaces.
        run: name of the run, part of the hidden names of its unfinished files.
        threads: CPU threads for each worker, or None for all cores.
        rule: what makes the masks, or None where they are files or the photos' own transparency.
    """

    template: FillJob
    run: str
    threads: int | None = None
    rule: MaskRule | None = None


@dataclass(frozen=True)
class Host:
    """What a process that does other things, too, lends to a run inside it.

    Args:
        turn: called for what is held while a mask is found or a hole is filled, so that others who compute get their
            turns; one that raises `Cancelled` leaves the photo undone.
        files: opens photos and masks, and writes photos.
    """

    turn: Turn = nullcontext
    files: PictureFiles = PictureFiles()


class TurnTaking(Inpainter):
    """An inpainter that several threads share: one fills while the others read and write."""

    turn: Turn = staticmethod(nullcontext)

    def __init__(self, network: InpaintingNetwork, device: torch.device) -> None:
        super().__init__(network, device)
        self._one = threading.Lock()  # whoever waits for a turn does so once for all threads

    def fill(self, *args: Any, **kwargs: Any) -> FillResult:
        """As `Inpainter.fill`, one call at a time."""
        with self._one, self.turn():
            return super().fill(*args, **kwargs)


class Filler:
    """Does tasks with one network, for as many threads as call it.

    Args:
        settings: of the run.
        host: of this process.
    """

    def __init__(self, settings: Settings, host: Host = Host()) -> None:
        self.settings, self._host = settings, host
        self._inpainter: TurnTaking | None = None
        self._hashes: dict[str, tuple[Any, str | None]] = {}

    def prepare(self) -> None:
        """Load the network.

        Raises:
            InpaintError: it cannot be loaded.
        """
        job = self.settings.template
        inpainter: TurnTaking = TurnTaking.load(job.model, job.weights, job.device)  # type: ignore[assignment]
        inpainter.turn = self._host.turn
        self._inpainter = inpainter

    def do(self, task: Task, known: list[str], ask: Ask) -> dict[str, Any]:
        """Fill one photo.

        Args:
            task: what to do.
            known: hashes under which this output may have appeared already, before a kill.
            ask: called just before the output appears.

        Returns:
            the journal's record: `done`, `failed` or `empty`; `dropped` where `ask` said no.
        """
        start = time.perf_counter()
        set_threads(self.settings.threads)
        about = {"output": task.output, "photo": task.photo}
        try:
            found = self._appeared(task, known)
            if found and not self._lacks_recipe(task, found):
                record = self._recovered(task, found)
            else:
                again = bool(found) or self._recipe_alone(task, known)
                record = self._filled(task, ask, self.settings.template.overwrite or again)
        except EmptyMask as error:
            return {"kind": "empty", **about, "reason": str(error)}
        except Cancelled:
            return {"kind": "dropped", **about}
        except InpaintError as error:
            return {"kind": "failed", **about, "reason": str(error)}
        except MemoryError:
            return {"kind": "failed", **about, "reason": f"{shown(task.photo)}: needs more memory than there is"}
        except Exception as error:  # one photo must never end the run
            reason = f"{shown(task.photo)}: met an error of the program ({type(error).__name__}: {error})"
            return {"kind": "failed", **about, "reason": " ".join(reason.split())}
        seconds = {**record.pop("seconds", {}), "total": round(time.perf_counter() - start, 4)}
        return {
            "kind": "done", **about, **record, "stamp": places.stamp(task.output), "seconds": seconds,
            "worker": f"{socket.gethostname()}:{os.getpid()}", "time": round(time.time(), 3),
        }  # fmt: skip

    def _appeared(self, task: Task, known: list[str]) -> str | None:
        """The hash of an output that appeared before a kill could be noted, or None."""
        if not known or not places.exists(task.output):
            return None
        found = places.digest(task.output)
        return found if found in known else None

    def _recovered(self, task: Task, sha256: str) -> dict[str, Any]:
        return {"sha256": sha256, "inputs": self._inputs(task), "engine": "", "recovered": True}

    def _lacks_recipe(self, task: Task, sha256: str) -> bool:
        """Whether an output that appeared is to be made again, as the kill came before its recipe."""
        real = places.reals([task.photo, task.output])
        if not self.settings.template.mark or real[task.photo] == real[task.output]:  # filled where it lay: no second
            return False
        if os.path.lexists(recipe_path(Path(task.output))) and not self.settings.template.overwrite:
            return False
        return self._told_by_recipe(task) != sha256

    def _recipe_alone(self, task: Task, known: list[str]) -> bool:
        """Whether the kill came between the recipe, which appears first, and the output that it is of."""
        if not self.settings.template.mark or not known or places.exists(task.output):
            return False
        return self._told_by_recipe(task) in known

    def _told_by_recipe(self, task: Task) -> str | None:
        """The hash of the output that the recipe beside it is of; None where there is no such recipe."""
        try:
            return read_recipe(recipe_path(Path(task.output))).output_sha256
        except RecipeError:
            return None

    def _inputs(self, task: Task) -> dict[str, str | None]:
        return {place: self._hash(place) for place in (task.photo, *task.masks)}

    def _hash(self, place: str) -> str | None:
        """SHA-256 of an input; a mask for all photos is read once."""
        stamp = places.stamp(place)
        if place not in self._hashes or self._hashes[place][0] != stamp:
            if len(self._hashes) > 1000:
                self._hashes.clear()
            self._hashes[place] = (stamp, places.digest(place))
        return self._hashes[place][1]

    def _filled(self, task: Task, ask: Ask, overwrite: bool) -> dict[str, Any]:
        template = replace(self.settings.template, overwrite=overwrite)
        self._refuse_existing(task, overwrite)
        with ExitStack() as stack:
            near = _Near(task, self.settings, stack)
            mask = mask_maker(
                task.rule, near.masks, shown(near.photo), template.mask_is, template.limits, self.settings.rule,
                self._host.turn, self._host.files,
            )  # fmt: skip
            job = replace(
                template, photo=near.photo, mask=mask, output=near.output, show_hole=task.rule == ALPHA,
                photo_url=task.photo if places.is_remote(task.photo) else "",
            )  # fmt: skip
            inputs: dict[str, str | None] = {}

            def ready(made: FileResult) -> None:
                inputs.update(self._inputs(task))
                self._refuse_existing(task, overwrite)
                if not ask(made.sha256):
                    raise Cancelled("the run was stopped")

            staging = Staging(staged_prefix(self.settings.run), durable=True)
            try:
                made = fill_file(job, self._load, staging, ready, files=self._host.files)
                near.publish(made)
            except InpaintError as error:
                raise type(error)(near.in_own_words(str(error))) from None
            notes = [near.in_own_words(note) for note in made.notes]
        proof = made.verification
        return {
            "sha256": made.sha256, "inputs": inputs, "engine": made.fill.engines, "pixels": made.fill.filled_pixels,
            "size": [made.fill.width, made.fill.height], "notes": notes,
            "seconds": {name: round(value, 4) for name, value in made.seconds.items()},
            "verification": None if proof is None else {**asdict(proof), "sentence": proof.sentence},
        }  # fmt: skip

    def _refuse_existing(self, task: Task, overwrite: bool) -> None:
        if not overwrite and places.exists(task.output):
            raise OutputError(f"{shown(task.output)}: exists already, use --overwrite to replace it")

    def _load(self) -> Inpainter:
        if self._inpainter is None:
            self.prepare()
        assert self._inpainter is not None
        return self._inpainter


class _Near:
    """Photo, masks and output of a task as files of this machine; copies in a temporary folder where they are not."""

    def __init__(self, task: Task, settings: Settings, stack: ExitStack) -> None:
        self._names: dict[str, str] = {}
        self._task, self._stack, self._folder = task, stack, ""
        self._prefix = f"inpaint-batch-{settings.run}-"
        limits = settings.template.limits
        self.photo = self._fetch(task.photo, "photo", limits)
        self.masks = [self._fetch(mask, f"mask{n}", limits) for n, mask in enumerate(task.masks)]
        if places.is_remote(task.output):
            self.output = self._place(task.output, "output")
        else:
            self.output = Path(task.output)
            try:
                self.output.parent.mkdir(parents=True, exist_ok=True)
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                raise OutputError(f"{shown(task.output)}: its folder cannot be made ({reason})") from None

    def _place(self, url: str, kind: str) -> Path:
        if not self._folder:
            self._folder = tempfile.mkdtemp(prefix=self._prefix)
            self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        folder = Path(self._folder, kind)
        folder.mkdir()
        path = folder / re.sub(r"[\x00/\\]", "_", url.rpartition("/")[2])[-200:]
        self._names[shown(path)] = shown(url)
        return path

    def _fetch(self, place: str, kind: str, limits: Any) -> Path:
        if not places.is_remote(place):
            return Path(place)
        data = places.read(place, limits)
        path = self._place(place, kind)
        try:
            path.write_bytes(data)
        except OSError as error:
            raise PhotoError(f"{shown(place)}: cannot be copied here ({error.strerror or error})") from None
        return path

    def publish(self, made: FileResult) -> None:
        """Put a copy where the task wants it."""
        if not places.is_remote(self._task.output):
            return
        data = self.output.read_bytes()
        assert hashlib.sha256(data).hexdigest() == made.sha256
        places.publish(self._task.output, data)

    def in_own_words(self, text: str) -> str:
        """A message with the names that the user knows."""
        for near, own in self._names.items():
            text = text.replace(near, own)
        return text


def staged_prefix(run: str) -> str:
    """How the hidden names of a run's unfinished files begin."""
    return f".inpaint-{run}-"


def remove_left_behind(run: str, outputs: list[str]) -> int:
    """Remove what killed workers of a run left under hidden names; returns how many files."""
    removed = 0
    for copies in Path(tempfile.gettempdir()).glob(f"inpaint-batch-{run}-*"):
        shutil.rmtree(copies, ignore_errors=True)
    for folder in sorted({os.path.dirname(o) for o in outputs if not places.is_remote(o)}):
        try:
            names = [n for n in os.listdir(folder) if n.startswith(staged_prefix(run))]
        except OSError:
            continue
        for name in names:
            Path(folder, name).unlink(missing_ok=True)
            removed += 1
    return removed
