"""One photo file filled into another: read, fill, prove, write. The commands `fill` and `batch` both stand on this."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inpaint.errors import InpaintError, MaskError, OptionError, OutputError, RecipeError, WeightsError, shown
from inpaint.filling.progress import Listener
from inpaint.filling.report import FillReport
from inpaint.inpainter import Inpainter
from inpaint.models.loading import ENDINGS, weights_path
from inpaint.models.weights import known_names
from inpaint.options import DEFAULT_MODEL, FillOptions
from inpaint.photo.access import PictureFiles
from inpaint.photo.files import check_lossless, check_output, output_format
from inpaint.photo.limits import Limits
from inpaint.photo.masks import Mask, check_mask, dilate_mask
from inpaint.photo.picture import Photo
from inpaint.photo.provenance import Recipe, check_mark, marked, recipe_path, relative_photo, sha256_of, versions
from inpaint.photo.staging import Staging, check_writable
from inpaint.photo.verify import Verification

MaskMaker = Callable[[Photo, list[str]], Mask]  # from the photo as it was read; adds sentences about what it decided


@dataclass(frozen=True)
class FillJob:
    """What to fill, with what, and how to write it.

    Args:
        photo: file to fill.
        mask: file, or bool (H, W), True = hole, or what makes one from the photo.
        output: file to write; its ending names the format. Further candidates lie beside it, see `candidate_path`.
        options: how to fill.
        mask_is: which part of a mask file is the hole, one of `options.MASK_IS`.
        report: file for what was done, as JSON.
        overwrite: replace existing files.
        lossless: refuse to move kept pixels.
        verify: decode the written file and compare it with the source outside the hole.
        mark: state in XMP that the photo was filled, and write a recipe beside it.
        keep_time: give the output the photo's times.
        limits: larger files are refused.
        model, weights, device: for the recipe; the inpainter itself comes from the caller.
        expected: a recipe that the photo and weights must fit.
        recipe: the file it was read from, which is not to be lost.
        show_hole: the hole becomes opaque, for a photo whose own transparency is the mask.
        photo_url: where the photo lies, if `photo` is a copy; for the recipe.
    """

    photo: Path
    mask: Path | Mask | MaskMaker
    output: Path
    options: FillOptions = FillOptions()
    mask_is: str = "auto"
    report: Path | None = None
    overwrite: bool = False
    lossless: bool = False
    verify: bool = True
    mark: bool = False
    keep_time: bool = False
    limits: Limits = Limits()
    model: str = DEFAULT_MODEL
    weights: Path | None = None
    device: str = "auto"
    expected: Recipe | None = None
    recipe: Path | None = None
    show_hole: bool = False
    photo_url: str = ""


@dataclass(frozen=True)
class Alternative:
    """A further candidate that was written: its file, engines and seam (1 = invisible), the proof, and the hash."""

    path: Path
    engines: str
    seam: float
    verification: Verification | None
    sha256: str


@dataclass(frozen=True)
class FileResult:
    """What was done with one file.

    Args:
        job: what was asked.
        fill: report of the fill itself.
        verification: the proof, or None without `verify`.
        notes: sentences about photo, mask and output.
        sha256: of the written file.
        seconds: by stage: read, fill, write (with proof), verify is part of write.
        alternatives: the candidates after the best.
    """

    job: FillJob
    fill: FillReport
    verification: Verification | None
    notes: list[str]
    sha256: str
    seconds: dict[str, float] = field(default_factory=dict)
    alternatives: tuple[Alternative, ...] = ()

    def to_json(self) -> str:
        """The report as JSON text."""
        values: dict[str, Any] = asdict(self.fill)
        values["notes"] = self.notes
        values["photo"], values["output"] = str(self.job.photo), str(self.job.output)
        values["output_sha256"] = self.sha256
        values["file_seconds"] = self.seconds
        values["verification"] = _proof_values(self.verification)
        values["alternatives"] = [
            {**asdict(one), "path": str(one.path), "verification": _proof_values(one.verification)}
            for one in self.alternatives
        ]
        return json.dumps(values, indent=2) + "\n"


def _proof_values(proof: Verification | None) -> dict[str, Any] | None:
    return None if proof is None else {**asdict(proof), "sentence": proof.sentence}


def candidate_path(output: Path, number: int) -> Path:
    """Where a candidate is written: 1, the best, at `output` itself, the others beside it as `NAME_2`, `NAME_3`, ..."""
    return output if number == 1 else output.with_name(f"{output.stem}_{number}{output.suffix}")


def fill_file(
    job: FillJob, load: Callable[[], Inpainter], staging: Staging | None = None,
    ready: Callable[[FileResult], None] | None = None, progress: Listener | None = None,
    files: PictureFiles = PictureFiles(),
) -> FileResult:  # fmt: skip
    """Fill one photo file; nothing is written unless everything can be.

    Args:
        job: what to do.
        load: gives the inpainter; called only after everything that can be refused cheaply has been looked at.
        staging: where the files wait until all of them are written; whether they may replace others is the job's to
            say; None: plain.
        ready: called once they wait, just before they appear; raising keeps them from it.
        progress: hears of the fill, see `Inpainter.fill`.
        files: opens photo and mask, and writes the photo.

    Raises:
        InpaintError: anything that fails, with the file's name; no output is left behind.
    """
    check_job(job)
    start = time.perf_counter()
    photo = files.photo(job.photo, job.limits)
    notes = list(photo.notes)
    if job.expected and sha256_of(job.photo) != job.expected.photo_sha256:
        raise RecipeError(f"{shown(job.photo)}: is not the photo that the recipe was made with")
    mask = _read_mask(job, photo, notes, files)
    hole = dilate_mask(mask, job.options.dilate)
    check_mask(hole, shown(job.mask if isinstance(job.mask, Path) else job.photo))
    read = time.perf_counter()
    inpainter = load()
    loaded = time.perf_counter()
    result = inpainter.fill(photo.visible_pixels(), mask, job.options, notes, progress)
    notes += [note for note in result.report.notes if note not in notes]  # those of the fill itself
    done = time.perf_counter()
    with staging or Staging() as staging:
        staging.overwrite = job.overwrite
        written, verifying = [], 0.0
        for number, (pixels, about) in enumerate(zip(result.candidates, result.report.candidates, strict=True), 1):
            path = candidate_path(job.output, number)
            filled = _finished(job, photo, pixels, hole, set(about.engines.split(", ")))
            hidden = staging.reserve(path)
            saved = files.write(
                hidden, filled, path, lossless=job.lossless, keep_time=job.keep_time,
                hole=hole if job.verify else None, durable=staging.durable,
            )  # fmt: skip
            sha256 = hashlib.sha256(hidden.read_bytes()).hexdigest()
            written.append(Alternative(path, about.engines, about.seam, saved.verification, sha256))
            verifying += saved.seconds
            notes += [note for note in saved.notes if number == 1 or note not in notes]
        seconds = {
            "read": read - start, "fill": done - loaded, "write": time.perf_counter() - done, "verify": verifying,
        }  # fmt: skip
        made = FileResult(
            job, result.report, written[0].verification, notes, written[0].sha256, seconds, tuple(written[1:])
        )
        if job.mark:
            staging.add(recipe_path(job.output), make_recipe(made, mask, inpainter).to_json().encode())
        if job.report:
            staging.add(job.report, made.to_json().encode())
        if ready:
            ready(made)
        staging.commit()
    return made


def _finished(job: FillJob, photo: Photo, pixels: NDArray[Any], hole: Mask, engines: set[str]) -> Photo:
    """The photo to write: filled in the hole, as it was elsewhere."""
    merged = photo.pixels.copy()
    merged[hole] = pixels[hole]
    filled = photo.with_pixels(merged)
    if job.show_hole and photo.alpha is not None:
        opaque = np.iinfo(photo.alpha.dtype).max
        filled = replace(filled, alpha=np.where(hole, opaque, photo.alpha).astype(photo.alpha.dtype))
    return marked(filled, engines) if job.mark else filled


def check_job(job: FillJob) -> None:
    """Refuse what cannot be written, before any work is done.

    Raises:
        OptionError: choices that exclude each other.
        OutputError: a file that cannot be written.
    """
    check_output(job.output, job.overwrite)
    check_lossless(job.output, job.lossless)
    places = [candidate_path(job.output, number) for number in range(1, job.options.candidates + 1)]
    for place in places[1:]:
        check_writable(place, job.overwrite)
    if job.mark:
        check_mark(output_format(job.output), job.output)
        check_writable(recipe_path(job.output), job.overwrite)
        places.append(recipe_path(job.output))
    if job.report:
        check_writable(job.report, job.overwrite)
        places.append(job.report)
    masks = [job.mask] if isinstance(job.mask, Path) else []
    models = [_model(job)]
    for number, place in enumerate(places):
        again = job.mark and place == recipe_path(job.output)  # doing a recipe again may write it again
        recipes = [job.recipe] if job.recipe and not again else []
        photos = [] if number == 0 and job.overwrite else [job.photo]  # the output alone may take the photo's place
        others = [*photos, *masks, *models, *recipes, *(p for p in places if p is not place)]
        if any(_same(place, other) for other in others):
            raise OutputError(f"{shown(place)}: is named for two files at once")


def _model(job: FillJob) -> Path:
    try:
        return weights_path(job.model, job.weights)
    except InpaintError:  # said when it is loaded
        return job.weights or Path(job.model)


def _same(first: Path, second: Path) -> bool:
    try:
        return first.absolute() == second.absolute() or first.samefile(second)
    except OSError:  # one of them does not exist yet
        return False


def _read_mask(job: FillJob, photo: Photo, notes: list[str], files: PictureFiles) -> Mask:
    shape = photo.pixels.shape[:2]
    if isinstance(job.mask, np.ndarray):
        if job.mask.shape != shape:
            raise MaskError(f"{shown(job.photo)}: is {shape[1]}x{shape[0]} pixels, its mask is for another size")
        return job.mask
    if not isinstance(job.mask, Path):
        return job.mask(photo, notes)
    orientation = photo.source.orientation if photo.source else 1
    mask, decided = files.mask(job.mask, shape, job.mask_is, orientation, job.limits)
    notes += decided
    check_mask(mask, shown(job.mask))
    return mask


def make_recipe(made: FileResult, mask: Mask, inpainter: Inpainter) -> Recipe:
    """The recipe of a fill."""
    job = made.job
    place = job.photo_url or relative_photo(job.photo, job.output)
    return Recipe(
        place, sha256_of(job.photo), (mask.shape[1], mask.shape[0]), mask, job.options,
        job.model, weights_hash(job.model, job.weights), inpainter.device.type, torch.get_num_threads(),
        made.fill.engines, job.output.name, made.sha256, job.lossless, job.mark, job.keep_time,
        versions() | {"precision": made.fill.precision}, job.show_hole,
    )  # fmt: skip


def weights_hash(model: str, weights: Path | None) -> str:
    """SHA-256 of the weights file that a model stands for (`weights_path`); raises OptionError, WeightsError."""
    path = weights_path(model, weights)
    try:
        return sha256_of(path)
    except OSError as error:
        raise WeightsError(f"{shown(path)}: cannot be read ({error.strerror or error})") from None


def job_of_recipe(recipe: Recipe, place: Path, photo: Path | None, output: Path, weights: Path | None) -> FillJob:
    """The job that a recipe describes.

    Args:
        recipe: what was done.
        place: the recipe's own file.
        photo: the photo, where it is not where the recipe says.
        output: file to write.
        weights: weights file; None: the shipped one, or the recipe's own where it was or beside the recipe.

    Raises:
        RecipeError: the weights are missing or not those of the recipe, or the photo is not on this machine.
        OptionError: the output has another format than the recipe's, or the model is unknown.
    """
    if output.suffix.lower() != Path(recipe.output).suffix.lower():
        raise OptionError(f"{shown(output)}: the recipe is for a file that ends in {Path(recipe.output).suffix}")
    if photo is None and "://" in recipe.photo:
        url = shown(recipe.photo)
        raise RecipeError(f"{shown(place)}: its photo lies at {url}; fetch it and name the copy as PHOTO")
    model = recipe.model
    if model not in known_names():  # a file is its own weights, wherever it lies now
        model, weights = _model_file(recipe, place) if weights is None else str(weights), None
    if weights_hash(model, weights) != recipe.weights_sha256:
        raise RecipeError(f"{shown(place)}: was made with other weights; name them with --weights")
    return FillJob(
        photo or place.parent / recipe.photo, recipe.mask, output, recipe.options, lossless=recipe.lossless,
        mark=recipe.mark, keep_time=recipe.keep_time, model=model, weights=weights, device=recipe.device,
        expected=recipe, recipe=place, show_hole=recipe.show_hole,
    )  # fmt: skip


def _model_file(recipe: Recipe, place: Path) -> str:
    """Where the model file of a recipe lies now; of several the one with the recipe's hash."""
    beside = place.parent
    names = (recipe.model, str(beside / recipe.model), str(beside / Path(recipe.model).name))
    there = [name for name in names if os.path.isfile(name)]
    if not there and Path(recipe.model).suffix.lower() in ENDINGS:
        raise RecipeError(f"{shown(place)}: its weights {recipe.model!r} are not there, name them with --weights")
    same = [name for name in there if weights_hash(name, None) == recipe.weights_sha256]
    return (same or there or [recipe.model])[0]


def compare_with_recipe(made: FileResult, recipe: Recipe) -> str:
    """One sentence: the same bytes as when the recipe was made, or why they may differ."""
    if made.sha256 == recipe.output_sha256:
        return "the same bytes as when the recipe was made"
    now = versions() | {"precision": made.fill.precision}
    differ = [f"{k} {v or 'missing'} instead of {recipe.versions.get(k) or 'missing'}"
              for k, v in now.items() if v != recipe.versions.get(k)]  # fmt: skip
    return "NOT the same bytes as when the recipe was made" + (f" ({', '.join(differ)})" if differ else "")
