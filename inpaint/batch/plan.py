"""What a batch will do, decided before anything runs: every photo with its mask and output, and what is refused."""

import os
import posixpath
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from inpaint.batch import places
from inpaint.batch.inputs import LOOP, Found, Listing, find
from inpaint.batch.pairing import MARKERS, Pair, is_mask_name, pair_by_name
from inpaint.errors import InpaintError, MaskError, OptionError, PhotoError, shown
from inpaint.masking.rules import SETTINGS
from inpaint.photo.formats import BY_NAME, FORMATS

ALPHA = "alpha"
_RULE = re.compile(rf"\s*(?:{'|'.join(SETTINGS)})\s*(?::| \+ |$)")


@dataclass(frozen=True, slots=True)
class Task:
    """One output to make.

    Args:
        photo: place of the photo.
        masks: places of the mask files, united; empty with a rule.
        rule: what makes the mask instead of files.
        output: place to write to.
        why: how the mask was chosen.
    """

    photo: str
    masks: tuple[str, ...]
    rule: str
    output: str
    why: str


@dataclass
class Plan:
    """What will be done and what not.

    Args:
        tasks: in order.
        refused: photo and reason, for what cannot be done.
        unmasked: photos without a mask.
        unused: masks without a photo.
        left_out: place and reason, for files that are no photos.
    """

    tasks: list[Task] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    unmasked: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Request:
    """What the user asks for.

    Args:
        photos: folders, files, patterns, lists or URLs.
        masks: the same, or one file for all, or a rule: `alpha`, or one of `masking.rules`.
        output: folder to write into.
        markers: what a mask's name has after the photo's.
        several: what to do with several masks of a photo: `unite` them, or make `each` an output.
        suffix: ending of all outputs, such as `.png`; empty: each photo's own.
        lossless: outputs of formats that are not lossless become PNG.
        recursive: look into sub-folders.
    """

    photos: tuple[str, ...]
    masks: str
    output: str
    markers: tuple[str, ...] = MARKERS
    several: str = "unite"
    suffix: str = ""
    lossless: bool = False
    recursive: bool = True

    def __post_init__(self) -> None:
        if self.several not in ("unite", "each"):
            raise OptionError(f"several must be unite or each, got {self.several!r}")
        if self.suffix and self.suffix.lower() not in FORMATS:
            raise OptionError(f"format must be one of {' '.join(s[1:] for s in FORMATS)}, got {self.suffix[1:]!r}")
        if any(not marker for marker in self.markers):
            raise OptionError("a mask suffix must not be empty")


def make_plan(request: Request) -> Plan:
    """Decide what belongs to what; nothing is opened.

    Raises:
        OptionError: an input does not exist, or the output folder is one of the inputs.
    """
    output = places.normal(request.output)
    _check_folders(request, output)
    photos = find([places.normal(p) for p in request.photos], [output], request.recursive)
    plan = Plan(refused=photos.broken, left_out=photos.left_out)
    if is_rule(request.masks):
        pairs = [Pair(photo, (), rule_name(request.masks)) for photo in photos.pictures]
        tasks = [_task(request, output, pair, (), pair.photo.relative) for pair in pairs]
    else:
        tasks = _paired(request, output, photos, plan)
    plan.tasks = _without_inputs(_without_collisions(tasks, plan), plan, [photo.place for photo in photos.pictures])
    return plan


def is_rule(masks: str) -> bool:
    """Whether the masks are made by a rule (`alpha`, or as `masking.rules` reads it) rather than read from files."""
    return masks == ALPHA or bool(_RULE.match(masks))


def rule_name(rule: str) -> str:
    """A rule for people."""
    return "the photo's own transparency" if rule == ALPHA else f"rule {rule}"


def _check_folders(request: Request, output: str) -> None:
    if not places.is_remote(output):
        real = os.path.realpath(output)
        for text in (*request.photos, request.masks):
            place = places.normal(text)
            if not places.is_remote(place) and os.path.isdir(place) and os.path.realpath(place) == real:
                raise OptionError(f"{shown(request.output)}: the output folder must not be that of the photos or masks")
        if os.path.lexists(output) and not os.path.isdir(output):
            raise OptionError(f"{shown(request.output)}: is not a folder")
    if is_rule(request.masks) and os.path.lexists(request.masks):
        raise OptionError(f"{request.masks}: is a mask rule and also a file here, name the file ./{request.masks}")


def mask_pairs(photos: list[str], masks: str) -> list[Pair]:
    """Photos of some inputs, each with its mask files, which may be none; a mask among the photos is no photo.

    Raises:
        OptionError: an input does not exist.
        PhotoError, MaskError: something named is no picture, or a folder cannot be listed.
    """
    listing, plan = find(photos, []), Plan()
    pairs = _pairs(Request(tuple(photos), masks, ""), "", listing, plan)
    lost: list[tuple[type[InpaintError], str, str]] = [(PhotoError, *place) for place in listing.broken]
    lost += [(MaskError, place, reason.removeprefix("mask ")) for place, reason in plan.left_out]
    for error, place, reason in lost:
        if reason != LOOP:
            raise error(f"{shown(place)}: {reason}")
    return pairs


def _pairs(request: Request, output: str, photos: Listing, plan: Plan) -> list[Pair]:
    masks = find([request.masks], [output] if output else [], request.recursive)
    masks_place = places.normal(request.masks)
    one = len(masks.pictures) == 1 and masks.named
    if masks.named and masks.broken:
        raise OptionError(f"{shown(request.masks)}: {masks.broken[0][1]}")
    plan.left_out += [(place, f"mask {reason}") for place, reason in masks.broken]
    if one:
        shared = masks.pictures[0]
        real = places.reals(found.place for found in (*photos.pictures, shared))
        pictures = [photo for photo in photos.pictures if real[photo.place] != real[shared.place]]
        return [Pair(photo, (shared,), "one mask for all") for photo in pictures]
    pictures, candidates = _apart(photos.pictures, masks.pictures, masks_place, request)
    found = pair_by_name(pictures, candidates, request.markers)
    plan.unused = [mask.place for mask in found.unused]
    return found.pairs


def _paired(request: Request, output: str, photos: Listing, plan: Plan) -> list[Task]:
    tasks = []
    for pair in _pairs(request, output, photos, plan):
        if not pair.masks:
            plan.unmasked.append(pair.photo.place)
        elif request.several == "each" and len(pair.masks) > 1:
            path = PurePosixPath(pair.photo.relative)
            for mask in pair.masks:
                relative = str(path.with_name(f"{path.stem}_{PurePosixPath(mask.relative).stem}{path.suffix}"))
                tasks.append(_task(request, output, pair, (mask,), relative))
        else:
            tasks.append(_task(request, output, pair, pair.masks, pair.photo.relative))
    return tasks


def _apart(
    photos: list[Found], masks: list[Found], masks_place: str, request: Request
) -> tuple[list[Found], list[Found]]:
    """Photos and masks where both lie in the same folder or the masks' below the photos'."""
    real = places.reals(found.place for found in (*photos, *masks))
    own = {real[photo.place] for photo in photos}
    both = own & {real[mask.place] for mask in masks}
    if not both:
        return photos, masks
    same = any(_same_folder(places.normal(p), masks_place) for p in request.photos)
    if not same and both < own:  # the masks' folder lies in that of the photos
        return [photo for photo in photos if real[photo.place] not in both], masks
    return (
        [photo for photo in photos if not is_mask_name(photo.relative, request.markers)],
        [mask for mask in masks if is_mask_name(mask.relative, request.markers)],
    )


def _same_folder(first: str, second: str) -> bool:
    if places.is_remote(first) or places.is_remote(second):
        return first.rstrip("/") == second.rstrip("/")
    return os.path.realpath(first) == os.path.realpath(second)


def _task(request: Request, output: str, pair: Pair, masks: tuple[Found, ...], relative: str) -> Task:
    rule = request.masks if is_rule(request.masks) else ""
    why = pair.why + (f", {len(masks)} united" if len(masks) > 1 else "")
    name, suffix = posixpath.splitext(relative)
    form = BY_NAME[FORMATS[suffix.lower()]]
    if request.suffix:
        suffix = request.suffix
    elif request.lossless and (form.lossless is False or form.palette_only):
        suffix = ".png"
    return Task(pair.photo.place, tuple(mask.place for mask in masks), rule, places.join(output, name + suffix), why)


def _without_collisions(tasks: list[Task], plan: Plan) -> list[Task]:
    by_output = defaultdict(list)
    for task in tasks:
        by_output[task.output].append(task)
    kept = []
    for task in tasks:
        rivals = [other for other in by_output[task.output] if other is not task]
        if rivals:
            named = shown(rivals[0].photo) if rivals[0].photo != task.photo else shown(rivals[0].masks[0])
            plan.refused.append((task.photo, f"would have the same output as {named}: {shown(task.output)}"))
        else:
            kept.append(task)
    return kept


def _without_inputs(tasks: list[Task], plan: Plan, photos: list[str]) -> list[Task]:
    """The tasks whose output is no photo or mask of the run, save their own photo."""
    inputs = {*photos, *plan.unused, *(mask for task in tasks for mask in task.masks)}
    real = places.reals([*inputs, *(task.output for task in tasks)])
    read, kept = {real[place] for place in inputs}, list[Task]()
    for task in tasks:
        if real[task.output] in read and real[task.output] != real[task.photo]:
            plan.refused.append((task.photo, f"would take the place of another photo or mask: {shown(task.output)}"))
        else:
            kept.append(task)
    return kept
