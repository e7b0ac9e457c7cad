"""Many photos on the page: gathered from uploads or a folder of the server, then planned and filled as by `batch`."""

import os
import queue
import shutil
import threading
import zipfile
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from inpaint.batch.inputs import find
from inpaint.batch.memory import PER_PIXEL, PHOTO
from inpaint.batch.plan import ALPHA, Plan, Request, is_rule, make_plan
from inpaint.batch.pool import DEPTH
from inpaint.batch.run import Counts
from inpaint.batch.session import Means, check_request, run_batch
from inpaint.batch.sheet import contact_sheet
from inpaint.batch.summary import plan_json, run_json
from inpaint.batch.work import Host, Turn
from inpaint.errors import Cancelled, MaskError, OptionError, PhotoError, shown
from inpaint.fill_file import FillJob
from inpaint.masking.rules import parse_rule
from inpaint.options import FillOptions
from inpaint.web.networks import Networks
from inpaint.web.room import Room
from inpaint.web.session import SessionStore, safe_name

MASKS = ("rule", "one", "names")
MOST_FOLDERS = 2000
HIDDEN = "is hidden"  # why a plan leaves out what has such a name
NOT_FOLLOWED = "is a link out of the folder or to something hidden, so it is not followed"


@dataclass(frozen=True)
class FolderRequest:
    """What a person wants to be done with many photos.

    Args:
        uploads: uploaded photos; used where `folder` is None.
        folder: below the server's folder of photos, "" for that itself.
        deep: with its sub-folders.
        masks: `rule`, `one` for all, or by `names`.
        rule: a mask rule.
        mask_files: uploaded masks, one or many; without any, masks by name are looked for among the photos.
        options: how to fill.
        model: name of the network, "" for the default.
        lossless: JPEG photos become PNG, so that no kept pixel moves.
    """

    uploads: list[str] = field(default_factory=list)
    folder: str | None = None
    deep: bool = True
    masks: str = "rule"
    rule: str = "text"
    mask_files: list[str] = field(default_factory=list)
    options: FillOptions = FillOptions()
    model: str = ""
    lossless: bool = False


def sayable(name: str) -> bool:
    """Whether a file's name is text, which the page can send; the bytes of others are no UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


class PhotoFolder:
    """A folder of the server that people may browse; nothing outside it is opened.

    Args:
        root: the folder.

    Raises:
        OptionError: it is none.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise OptionError(f"{root}: is not a folder")
        self.root = root.resolve()

    def folders(self) -> list[str]:
        """This folder, "", and all below it, with forward slashes."""
        names = [""]
        for place, below, _ in os.walk(self.root):
            below[:] = sorted(name for name in below if not name.startswith(".") and self.shows(Path(place, name)))
            below[:] = [name for name in below if sayable(name)]
            names += [(Path(place) / name).relative_to(self.root).as_posix() for name in below]
            if len(names) >= MOST_FOLDERS:
                break
        return sorted(names[:MOST_FOLDERS])

    def photos(self, folder: str, deep: bool) -> list[str]:
        """Paths of the photos in a folder, from the root, with forward slashes.

        Raises:
            OptionError: no such folder.
        """
        found = find([str(self.path(folder))], self._linked_away(), deep).pictures
        return [Path(one.place).relative_to(self.root).as_posix() for one in found if self.shows(Path(one.place))]

    def path(self, name: str) -> Path:
        """A file or folder below the root.

        Raises:
            OptionError: it is not there, or lies outside.
        """
        path = self.root / name
        hidden = any(part.startswith(".") for part in Path(name).parts)
        if hidden or not self.shows(path) or not path.exists():
            raise OptionError(f"{name or '.'}: is not in the folder of photos")
        return path.resolve()

    def shows(self, path: Path) -> bool:
        """Whether a path leads, over all links, to something below the root that is not hidden."""
        real = Path(os.path.realpath(path))
        return real.is_relative_to(self.root) and not any(
            part.startswith(".") for part in real.relative_to(self.root).parts
        )

    def without_links_away(self, plan: Plan) -> Plan:
        """A plan of photos below the root, without the files to which links lead elsewhere; these are left out by name.

        Args:
            plan: as `make_plan` finds it; masks that were uploaded may lie anywhere.
        """
        links: dict[str, None] = {}

        def kept(place: str) -> bool:
            way = Path(place)
            if self.shows(way) or not way.is_relative_to(self.root):
                return True
            below = [*reversed(way.relative_to(self.root).parents), way.relative_to(self.root)]
            links[str(next(self.root / part for part in below if not self.shows(self.root / part)))] = None
            return False

        made = Plan(
            refused=[row for row in plan.refused if kept(row[0])], unused=[mask for mask in plan.unused if kept(mask)],
            unmasked=[photo for photo in plan.unmasked if kept(photo)],
            left_out=[row for row in plan.left_out if kept(str(Path(row[0]).parent) if row[1] == HIDDEN else row[0])],
        )  # fmt: skip
        for task in plan.tasks:
            masks = tuple(mask for mask in task.masks if kept(mask))
            if kept(task.photo) and (masks or task.rule):
                why = task.why.partition(", ")[0] + (f", {len(masks)} united" if len(masks) > 1 else "")
                made.tasks.append(task if masks == task.masks else replace(task, masks=masks, why=why))
            elif self.shows(Path(task.photo)):
                made.unmasked.append(task.photo)
        made.left_out += [(link, NOT_FOLLOWED) for link in links]
        return made

    def _linked_away(self) -> list[str]:
        """Folders elsewhere to which links below the root lead."""
        ways = [Path(place, name) for place, below, _ in os.walk(self.root) for name in below]
        return [os.path.realpath(way) for way in ways if way.is_symlink() and not self.shows(way)]


class FolderJob:
    """One plan and what becomes of it; all of it lies in a folder of its own.

    Args:
        request: what is wanted.
        store: gives the folder, and the limits.
        networks: what fills.
        photos: what may be browsed, or None.

    Raises:
        InpaintError: the request cannot be planned; the text says why.
    """

    def __init__(
        self, request: FolderRequest, store: SessionStore, networks: Networks, photos: PhotoFolder | None
    ) -> None:  # fmt: skip
        self.store, self.stopping = store, threading.Event()
        self.folder = store.scratch()
        self.output = self.folder / "filled"
        self.template = _template(request, store, networks)
        if request.folder is None:
            source = _gather(request.uploads, self.folder / "photos", "photo")
        elif photos is None:
            raise OptionError("this server shows no folder of photos")
        else:
            source = photos.path(request.folder)
        deep = request.deep or request.folder is None
        masks = _masks(request, self.folder, source)
        self.request = Request((str(source),), masks, str(self.output), lossless=request.lossless, recursive=deep)
        check_request(self.request, self.template, Means(0))
        self.plan: Plan = make_plan(self.request)
        if request.folder is not None and photos is not None:
            self.plan = photos.without_links_away(self.plan)
        self.source, self.results = source, None
        self.counts = Counts(len(self.plan.tasks) + len(self.plan.refused))
        self.started = self.waits = False

    def describe(self) -> dict[str, Any]:
        """The plan as plain values, files by their names below the folders they come from."""
        values = dict(self._table)
        values["tasks"] = [
            row | {
                "photo": self.name(row["photo"]), "output": self.name(row["output"]),
                "masks": [self.name(mask) for mask in row["masks"]],
            } for row in values["tasks"]
        ]  # fmt: skip
        values["refused"] = [(self.name(r["photo"]), self.plain(r["reason"])) for r in values["refused"]]
        values["left_out"] = [(self.name(r["file"]), self.plain(r["reason"])) for r in values["left_out"]]
        for key in ("photos_without_mask", "masks_without_photo"):
            values[key] = [self.name(place) for place in values[key]]
        return values

    def name(self, place: str) -> str:
        """A file's name as the person knows it."""
        for root in (self.source, self.output, self.folder / "masks"):
            if Path(place).is_relative_to(root):
                return shown(Path(place).relative_to(root).as_posix())
        return shown(Path(place).name)

    def plain(self, text: str) -> str:
        """A sentence without folders of the server."""
        for root in (self.source, self.output, self.folder / "masks", self.folder):
            text = text.replace(f"{root}{os.sep}", "")
        return text

    @cached_property
    def _table(self) -> dict[str, Any]:
        return plan_json(self.plan, self.store.decoders)

    @property
    def memory(self) -> int:
        """Bytes that the photos in hand together take at most."""
        pixels = sorted(row["size"][0] * row["size"][1] for row in self._table["tasks"] if row["size"])
        return max(PHOTO, PER_PIXEL * sum(pixels[-DEPTH:]))

    def run(self, turn: Turn = nullcontext, room: Room | None = None) -> Iterator[Counts]:
        """Do what the plan says, once; stops when the iterator is closed or `stop` was called.

        Args:
            turn: as for `Host`.
            room: shared with other runs; None: there are none. While it `waits` for memory, nothing is begun.

        Yields:
            how far it is, at least once a second.

        Raises:
            InpaintError: nothing can be done; what befell single photos is in the counts.
        """
        if self.started:
            raise OptionError("this plan was carried out already, make a new one")
        self.started = True
        room = room or Room(None)
        news: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

        def tell(counts: Counts) -> None:
            self.counts = counts
            self.store.still_used(self.folder)

        def work() -> None:
            try:
                journal = self.folder / "journal.jsonl"
                stopping = self.stopping.is_set
                host = Host(turn, self.store.decoders)
                run_batch(self.plan, self.request, self.template, Means(0), journal, False, tell, stopping, host)
                news.put(None)
            except BaseException as error:  # handed to the thread that waits
                news.put(error)
            finally:
                room.leave(self)

        thread = threading.Thread(target=work, daemon=True, name="folder")
        try:
            while not room.enter(self, self.memory):
                self.waits, self.counts.stopped = True, self.stopping.is_set()
                self.store.still_used(self.folder)
                yield self.counts
                if self.counts.stopped:
                    return
                self.stopping.wait(0.3)
            self.waits = False
            thread.start()
            while thread.is_alive():
                thread.join(0.3)
                yield self.counts
            error = news.get()
            if isinstance(error, Cancelled):  # stopped before the first turn came
                self.counts.stopped = True
                yield self.counts
            elif error is not None:
                raise error
        finally:
            self.stopping.set()  # reached early when the browser goes away: nobody waits for the rest
            if thread.ident is None:
                room.leave(self)

    def stop(self) -> None:
        """Finish the photos in hand, then end."""
        self.stopping.set()

    def outputs(self) -> list[dict[str, Any]]:
        """Records of what was done, in the order of the plan."""
        done = {record["output"]: record for record in self.counts.done}
        return [done[task.output] for task in self.plan.tasks if task.output in done]

    def failures(self) -> list[tuple[str, str]]:
        """Photos that were not filled, and why."""
        records = self.counts.failed + self.counts.empty
        return [(self.name(record["photo"]), self._reason(record)) for record in records]

    def _reason(self, record: dict[str, Any]) -> str:
        name = self.name(record["photo"])
        return self.plain(record["reason"]).removeprefix(f"{name}: ")

    def pack(self, seconds: float) -> Path:
        """All results and a contact sheet in one ZIP file.

        Args:
            seconds: what the run took.
        """
        values = run_json(self.plan, self.counts, seconds, {})
        sheet = contact_sheet(values, self.store.decoders)
        (self.folder / "report.html").write_text(self.plain(sheet), "utf-8", "surrogateescape")
        path = self.folder / "filled.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:  # pictures are compressed already
            for record in self.outputs():
                packed.write(record["output"], self.name(record["output"]))
            packed.write(self.folder / "report.html", "report.html")
        return path


def _template(request: FolderRequest, store: SessionStore, networks: Networks) -> FillJob:
    name = request.model or networks.names[0]
    if name not in networks.weights:
        raise OptionError(f"model must be one of {', '.join(networks.weights)}, got {name!r}")
    nowhere = Path()
    return FillJob(
        nowhere, nowhere, nowhere, request.options, lossless=request.lossless, limits=store.limits, model=name,
        weights=networks.weights[name], device=networks.device,
    )  # fmt: skip


def _masks(request: FolderRequest, folder: Path, source: Path) -> str:
    """What `Request.masks` should be; a person's text never names a file of the server."""
    if request.masks not in MASKS:
        raise OptionError(f"masks must be one of {', '.join(MASKS)}, got {request.masks!r}")
    if request.masks == "rule":
        rule = request.rule.strip()
        if not is_rule(rule):
            raise OptionError(f"{rule!r} is no mask rule, such as text or region:bottom-right 18%x6%")
        if rule != ALPHA and any("scribble" in term.settings for term in parse_rule(rule).terms):
            raise OptionError("a rule on this page cannot name a file")
        return rule
    if request.masks == "one":
        if len(request.mask_files) != 1:
            raise MaskError("one mask for all photos needs exactly one mask file")
        _gather(request.mask_files, folder / "masks", "mask")
        return str(next((folder / "masks").iterdir()))
    return str(_gather(request.mask_files, folder / "masks", "mask") if request.mask_files else source)


def _gather(files: list[str], folder: Path, what: str) -> Path:
    """Uploaded files side by side under their own names."""
    if not files:
        raise PhotoError(f"upload at least one {what} first")
    folder.mkdir()
    for file in files:
        path = folder / safe_name(Path(file).name)
        if path.exists():
            raise PhotoError(f"{path.name}: was uploaded twice, so its result would have no name of its own")
        try:
            os.link(file, path)
        except OSError:  # another file system
            shutil.copyfile(file, path)
    return folder
