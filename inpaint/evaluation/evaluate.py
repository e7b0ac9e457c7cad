"""One evaluation: every photo, mask kind and candidate once, kept as it goes, so that it can be gone on with."""

import contextlib
import hashlib
import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from inpaint import __version__
from inpaint.errors import InpaintError, OptionError, OutputError
from inpaint.evaluation.candidates import Candidate, Case, engine_candidates, named_pairs, results_candidates
from inpaint.evaluation.cases import (
    GIVEN,
    check_kinds,
    checksum,
    draw_mask,
    find_photos,
    open_given_mask,
    open_photo,
    refuse_same_stems,
)  # fmt: skip
from inpaint.evaluation.machine import describe_machine
from inpaint.evaluation.metrics import METRICS, Perceptual, load_perceptual, score
from inpaint.evaluation.results import SCHEMA, read_results, to_text, write_text
from inpaint.evaluation.summary import Record, summarise
from inpaint.inpainter import pick_device

MARKED = (255, 0, 128)  # colour of the hole in the report
PREVIEW = 320  # longer side of the pictures kept for the report, pixels
JOURNAL, RESULTS, REPORT = "records.jsonl", "results.json", "report.html"
PICTURES = ("pictures", "filled", "masks")  # folders of a run
TRUTH, HOLE = ".truth", ".hole"  # no label of a candidate starts with a dot


@dataclass(frozen=True)
class Settings:
    """What to evaluate.

    Args:
        photos: folder, searched with its sub-folders.
        output: folder for `results.json`, `records.jsonl` and `pictures`.
        kinds: mask kinds to draw.
        mask_dir: folder of mask files, one per photo of the same stem, or None.
        engines: names from `candidates.ALL_ENGINES`.
        models: registered networks or weights files, each perhaps NAME=FILE.
        results: NAME=DIR of filled pictures made elsewhere.
        limit: the first so many photos by name, or None.
        seed: of the masks.
        baseline: label that differences are taken against; None: `telea`, or the first where that is absent.
        longest: larger photos are made smaller to this longer side (pixels).
        nets: folder of the LPIPS files, or None for INPAINT_NETS.
        device: where networks run.
        resume: keep what an earlier run in `output` measured.
        overwrite: discard it.
        keep: write every mask and filled picture at full size as well.
    """

    photos: Path
    output: Path
    kinds: list[str] = field(default_factory=list)
    mask_dir: Path | None = None
    engines: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    limit: int | None = None
    seed: int = 0
    baseline: str | None = None
    longest: int = 1024
    nets: Path | None = None
    device: str = "auto"
    resume: bool = False
    overwrite: bool = False
    keep: bool = False


def _identity(candidate: Candidate, case: Case, lpips: bool) -> str:
    """Changes with anything that a record depends on, except the code itself."""
    place = [case.name.as_posix(), case.kind, candidate.label]  # two photos or kinds may have the same pixels
    parts = [*place, candidate.about, checksum(case.truth), checksum(case.mask), lpips, __version__]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _earlier(settings: Settings) -> dict[str, Record]:
    """Records of an earlier run by identity; refuses to overwrite what a run wrote unasked, or what this one reads."""
    folder = settings.output
    written = [folder / name for name in (JOURNAL, RESULTS, REPORT)]
    begun = any(file.exists() for file in written)
    if not begun and folder.resolve() == settings.photos.resolve():
        for own in (folder / name for name in PICTURES):
            if own.exists() and not (settings.mask_dir and settings.mask_dir.resolve() == own.resolve()):
                raise OptionError(f"{own}: the evaluation's own pictures would go there, use another --output")
    records = _journal(folder / JOURNAL)
    if settings.resume:
        return records
    if settings.overwrite:
        kept = {(folder / name).resolve() for name in PICTURES}
        given = named_pairs(settings.results, "results").values()
        for place in filter(None, (settings.photos, settings.mask_dir, *map(Path, given))):
            if not kept.isdisjoint((place.resolve(), *place.resolve().parents)):
                raise OptionError(f"{place}: lies in what --overwrite discards, move it or use another --output")
        _remove_pictures(folder, records.values())
        for file in written:
            file.unlink(missing_ok=True)
        return {}
    if begun:
        raise OutputError(f"{folder}: holds an evaluation already, use --resume, --overwrite or another --output")
    return {}


def _journal(file: Path) -> dict[str, Record]:
    """Records by identity, or nothing where there is no journal."""
    records: dict[str, Record] = {}
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []:
        try:
            entry = json.loads(line)
            if all(isinstance(entry["record"][name], str) for name in ("photo", "kind", "engine")):
                records[entry["identity"]] = entry["record"]
        except (ValueError, KeyError, TypeError):
            continue  # the last line of a run that was cut off, or a damaged one
    return records


def _remove_pictures(folder: Path, records: Iterable[Record]) -> None:
    """Remove what an earlier run kept of its cases, so that no later run's figures are of another's pictures."""
    cases = set()
    for record in records:
        photo, kind, label = record["photo"], record["kind"], record["engine"]
        cases.add((photo, kind))
        preview_path(folder, photo, kind, label).unlink(missing_ok=True)
        _kept_path(folder / "filled" / label, Path(photo), kind).unlink(missing_ok=True)
    with contextlib.suppress(InpaintError, LookupError, TypeError):  # there is none, or it is damaged
        results = read_results(folder / RESULTS)  # cases of which no candidate has a record
        cases |= {(photo["name"], kind) for photo in results["photos"] for kind in results["settings"]["kinds"]}
    for photo, kind in cases:
        for name in (TRUTH, HOLE):
            preview_path(folder, photo, kind, name).unlink(missing_ok=True)
        _kept_path(folder / "masks", Path(photo), kind).unlink(missing_ok=True)


def save_preview(folder: Path, case: Case, label: str, photo: NDArray[np.uint8]) -> None:
    """Keep a small picture for the report."""
    path = preview_path(folder, case.name.as_posix(), case.kind, label)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(photo)
    picture.thumbnail((PREVIEW, PREVIEW), Image.Resampling.LANCZOS)
    picture.save(path, quality=88)


def preview_path(folder: Path, photo: str, kind: str, label: str) -> Path:
    """Where the small picture of one case and candidate lies."""
    return folder / "pictures" / kind / photo / f"{label}.jpg"


def _kept_path(folder: Path, photo: Path, kind: str) -> Path:
    """Where a picture of a case lies at full size."""
    return (folder / kind / photo).with_suffix(".png")


def _keep(folder: Path, case: Case, picture: NDArray[np.uint8]) -> None:
    path = _kept_path(folder, case.name, case.kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


class Evaluation:
    """A run in progress: its candidates, and the records, failures and notes so far."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        check_kinds(settings.kinds)
        self.kinds = [*settings.kinds, *([GIVEN] if settings.mask_dir else [])]
        apart = [settings.output, *(settings.output / name for name in PICTURES)]
        apart += [settings.mask_dir] if settings.mask_dir else []
        self.names = find_photos(settings.photos, apart)[: settings.limit]
        if settings.mask_dir and not settings.mask_dir.is_dir():
            raise OptionError(f"{settings.mask_dir}: is not a folder")
        if settings.keep or settings.mask_dir or settings.results:
            refuse_same_stems(self.names)
        self.candidates = engine_candidates(settings.engines, settings.models, settings.device)
        self.candidates += results_candidates(settings.results, [c.label for c in self.candidates])
        self.labels = [c.label for c in self.candidates]
        if not self.labels or not self.kinds:
            raise OptionError("nothing to compare: name at least one engine or results folder, and one kind of masks")
        self.baseline = settings.baseline or ("telea" if "telea" in self.labels else self.labels[0])
        if self.baseline not in self.labels:
            raise OptionError(f"baseline must be among {', '.join(self.labels)}, got {self.baseline!r}")
        self.journal = settings.output / JOURNAL
        try:
            settings.output.mkdir(parents=True, exist_ok=True)
            self.earlier = _earlier(settings)
            self.journal.touch()  # so that a run that ended before its first record is known for one
        except OSError as error:
            raise OutputError(f"{settings.output}: cannot be written ({error.strerror or error})") from None
        self.records: list[Record] = []
        self.failures: list[dict[str, str | None]] = []
        self.photos: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.perceptual = self._perceptual()

    def _perceptual(self) -> Perceptual | None:
        try:
            return load_perceptual(self.settings.nets, pick_device(self.settings.device))
        except InpaintError as error:
            self.note(f"LPIPS is left out: {error}")
            return None

    def note(self, text: str) -> None:
        """Say something now and in the results."""
        self.notes.append(text)
        tqdm.write(f"note: {text}", file=sys.stderr)

    def fail(self, error: Exception, photo: Path, kind: str | None = None, engine: str | None = None) -> None:
        """List what could not be evaluated and go on."""
        text = str(error) if isinstance(error, InpaintError) else f"{type(error).__name__}: {error}"
        self.failures.append({"photo": photo.as_posix(), "kind": kind, "engine": engine, "reason": text})
        tqdm.write(f"error: {text}", file=sys.stderr)

    def run(self) -> None:
        """Evaluate every case."""
        self._warm_up()
        with tqdm(total=len(self.names) * len(self.kinds) * len(self.candidates), unit="fill", smoothing=0.02) as bar:
            for index, name in enumerate(self.names):
                done = bar.n
                for case in self._cases(index, name):
                    for candidate in self.candidates:
                        self._measure(case, candidate)
                        bar.update()
                bar.update(done + len(self.kinds) * len(self.candidates) - bar.n)

    def _cases(self, index: int, name: Path) -> Iterator[Case]:
        chosen = self.settings
        try:
            truth, stored = open_photo(chosen.photos / name, chosen.longest)
        except InpaintError as error:
            self.fail(error, name)
            return
        facts = {"name": name.as_posix(), "width": truth.shape[1], "height": truth.shape[0]}
        if truth.shape[:2] != stored:
            facts["shrunk_from"] = [stored[1], stored[0]]
        self.photos.append({**facts, "checksum": checksum(truth)})
        for kind in self.kinds:
            try:
                if kind == GIVEN:
                    assert chosen.mask_dir is not None
                    mask = open_given_mask(chosen.mask_dir, name, stored, chosen.longest)
                else:
                    mask = draw_mask(kind, chosen.seed, index, truth.shape[:2])
            except InpaintError as error:
                self.fail(error, name, kind)
                continue
            case = Case(name, kind, len(self.kinds), truth, mask, stored, chosen.longest)
            save_preview(chosen.output, case, TRUTH, truth)
            save_preview(chosen.output, case, HOLE, np.where(mask[..., None], np.array(MARKED, np.uint8), truth))
            if chosen.keep:
                _keep(chosen.output / "masks", case, mask.astype(np.uint8) * 255)
            yield case

    def _measure(self, case: Case, candidate: Candidate) -> None:
        folder = self.settings.output
        identity = _identity(candidate, case, self.perceptual is not None)
        pictures = [preview_path(folder, case.name.as_posix(), case.kind, candidate.label)]
        if self.settings.keep:
            pictures.append(_kept_path(folder / "filled" / candidate.label, case.name, case.kind))
        if candidate.timed and identity in self.earlier and all(picture.is_file() for picture in pictures):
            self.records.append(self.earlier[identity])
            return
        try:
            fill = candidate.fill(case)
            scores = score(case.truth, fill.photo, case.mask, self.perceptual)
        # Whatever an engine does wrong with one photo, the hours of the others are not lost for it.
        except (InpaintError, ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError, ValueError) as error:
            self.fail(error, case.name, case.kind, candidate.label)
            return
        record: Record = {
            "photo": case.name.as_posix(), "kind": case.kind, "engine": candidate.label,
            "area": round(float(case.mask.mean()), 6), "mask": checksum(case.mask),
            **{k: round(v, 6) for k, v in scores.items()}, **fill.facts,
        }  # fmt: skip
        save_preview(folder, case, candidate.label, fill.photo)
        if self.settings.keep:
            _keep(folder / "filled" / candidate.label, case, fill.photo)
        with open(self.journal, "a", encoding="utf-8") as journal:
            journal.write(json.dumps({"identity": identity, "record": record}) + "\n")
        self.records.append(record)

    def _warm_up(self) -> None:
        """Fill something small once, so that compiling and loading are not counted as the first photo's time."""
        truth = np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)
        mask = np.zeros((96, 96), bool)
        mask[40:60, 40:60] = True
        for candidate in self.candidates:
            if candidate.timed:
                candidate.fill(Case(Path("warm-up"), "boxes", 1, truth, mask, mask.shape, PREVIEW))

    def results(self, started: float) -> dict[str, Any]:
        """What goes into `results.json`."""
        settings = {
            "kinds": self.kinds, "limit": self.settings.limit, "seed": self.settings.seed, "baseline": self.baseline,
            "longest": self.settings.longest, "photos_found": len(self.names),
        }  # fmt: skip
        if any("shrunk_from" in photo for photo in self.photos):
            self.note(f"photos larger than {self.settings.longest} px were made smaller (--longest)")
        metrics = [m for m in METRICS if any(m in r for r in self.records)]
        return {
            "schema": SCHEMA, "inpaint": __version__, "date": time.strftime("%Y-%m-%d", time.gmtime(started)),
            "minutes": round((time.time() - started) / 60, 2), "machine": describe_machine(), "settings": settings,
            "metrics": metrics,
            "engines": {c.label: c.about for c in self.candidates}, "notes": self.notes, "photos": self.photos,
            "failures": self.failures, "summary": summarise(self.records, self.labels, self.kinds, self.baseline),
            "records": self.records,
        }  # fmt: skip


def run_evaluation(settings: Settings) -> dict[str, Any]:
    """Evaluate, and write `results.json` into the output folder.

    Returns:
        the results, as written.

    Raises:
        InpaintError: nothing could be started; the failures of single photos are in the results instead.
    """
    started = time.time()
    evaluation = Evaluation(settings)
    evaluation.run()
    results = evaluation.results(started)
    write_text(settings.output / RESULTS, to_text(results))
    return results
