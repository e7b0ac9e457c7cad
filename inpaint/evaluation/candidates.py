"""What is compared: engines of this program, with one network or several, and finished pictures of other tools."""

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inpaint.errors import OptionError, PhotoError
from inpaint.evaluation.cases import GIVEN, find_by_stem, open_photo
from inpaint.filling.blend import paste
from inpaint.inpainter import Inpainter
from inpaint.models.registry import NETWORKS
from inpaint.models.weights import default_weights, known_names, load_weights
from inpaint.options import DEFAULT_MODEL, ENGINES, FillOptions

Photo = NDArray[np.uint8]
Mask = NDArray[np.bool_]
BIHARMONIC = "biharmonic"
ALL_ENGINES = (*ENGINES, BIHARMONIC)
WITHOUT_NETWORK = {"patch", "telea", "ns", BIHARMONIC}


@dataclass(frozen=True)
class Case:
    """One photo with one hole.

    Args:
        name: of the photo's file, relative to its folder.
        kind: of the mask.
        kinds: how many kinds are evaluated in this run.
        truth: uint8 (H, W, 3) RGB.
        mask: bool (H, W), True = hole.
        stored: (height, width) of the photo's file.
        longest: photos were made smaller to this longer side (pixels).
    """

    name: Path
    kind: str
    kinds: int
    truth: Photo
    mask: Mask
    stored: tuple[int, int]
    longest: int


@dataclass(frozen=True)
class Fill:
    """A fill after compositing, uint8 (H, W, 3), and what is known about how it was made."""

    photo: Photo
    facts: dict[str, Any]


@dataclass(frozen=True)
class Candidate:
    """Something that fills, its name in tables, and a description that tells two of one name apart."""

    label: str
    about: dict[str, Any]
    fill: Callable[[Case], Fill]
    timed: bool = True


def known_engines(engines: list[str]) -> None:
    """Refuse an engine that does not exist, or one named twice; raises OptionError."""
    for engine in engines:
        if engine not in ALL_ENGINES:
            raise OptionError(f"engines must be among {', '.join(ALL_ENGINES)}, got {engine!r}")
    if len(set(engines)) < len(engines):
        raise OptionError(f"every engine may be named once, got {','.join(engines)}")


def _network_candidate(label: str, engine: str, inpainter: Inpainter, about: dict[str, Any], seed: int) -> Candidate:
    options = FillOptions(engine=engine, seed=seed)

    def fill(case: Case) -> Fill:
        start = time.perf_counter()
        result = inpainter.fill(case.truth, case.mask, options)
        seconds = time.perf_counter() - start
        # Everything is composited here once more, so that no engine can gain by touching known pixels.
        photo = paste(result.photo.astype(np.float32), case.truth, case.mask)
        return Fill(photo, {"seconds": seconds, "used": result.report.engines})

    return Candidate(label, {"engine": engine, **about, "fill_seed": seed}, fill)


def fill_biharmonic(photo: Photo, mask: Mask) -> Photo:
    """scikit-image's biharmonic fill of a photo uint8 (H, W, 3) where the mask, bool (H, W), is True."""
    from skimage.restoration import inpaint_biharmonic

    filled = inpaint_biharmonic(photo / 255.0, mask, channel_axis=-1, split_into_regions=True)
    return paste(np.clip(filled * 255, 0, 255).astype(np.float32), photo, mask)


def _biharmonic_candidate() -> Candidate:
    from importlib.metadata import version

    def fill(case: Case) -> Fill:
        start = time.perf_counter()
        photo = fill_biharmonic(case.truth, case.mask)
        return Fill(photo, {"seconds": time.perf_counter() - start, "used": BIHARMONIC})

    return Candidate(BIHARMONIC, {"engine": BIHARMONIC, "version": f"scikit-image {version('scikit-image')}"}, fill)


def named_pairs(texts: list[str], what: str) -> dict[str, str]:
    """`NAME=VALUE` or `VALUE` (whose name is its stem) as a dictionary; raises OptionError for a name used twice."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, _, value = text.rpartition("=")
        name = name or Path(value).stem
        if not re.fullmatch(r"\w[\w.+-]*", name):
            raise OptionError(f"{what} {text!r}: a name may hold letters, digits and . + - _, use NAME={value}")
        if name in pairs:
            raise OptionError(f"{what} {text!r}: the name {name} is taken, use OTHER={value}")
        pairs[name] = value
    return pairs


def _load_models(models: list[str], device: str) -> dict[str, tuple[Inpainter, dict[str, Any]]]:
    loaded = {}
    for name, model in named_pairs(models, "model").items():
        path = default_weights(model) if model in known_names() else Path(model)
        network, training = load_weights(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        about = {
            "model": name, "weights": path.name, "sha256": digest, "training": training,
            "parameters": sum(p.numel() for p in network.parameters()),
        }  # fmt: skip
        architecture = next(k for k, spec in NETWORKS.items() if isinstance(network, spec.network))  # type: ignore[arg-type]
        inpainter = Inpainter.load(architecture, path, device)
        loaded[name] = (inpainter, about | {"device": inpainter.device.type, "precision": inpainter.precision})
    return loaded


def engine_candidates(engines: list[str], models: list[str], device: str, seed: int = 0) -> list[Candidate]:
    """One candidate per engine, and per network where the engine uses one.

    Args:
        engines: names from `ALL_ENGINES`.
        models: registered networks or weights files, each perhaps as NAME=FILE; none means the default network.
        device: as in `Inpainter.load`.
        seed: of the fill.

    Returns:
        in the order of `engines`; labelled `engine`, or `engine@model` where there are several models.

    Raises:
        OptionError: an unknown or repeated engine or model name.
        WeightsError: a weights file cannot be used.
    """
    known_engines(engines)
    loaded = _load_models(models or [DEFAULT_MODEL], device)
    first = next(iter(loaded.values()))[0]
    candidates = []
    for engine in engines:
        if engine == BIHARMONIC:
            candidates.append(_biharmonic_candidate())
        elif engine in WITHOUT_NETWORK:
            candidates.append(_network_candidate(engine, engine, first, {}, seed))
        else:
            for name, (inpainter, about) in loaded.items():
                label = engine if len(loaded) == 1 else f"{engine}@{name}"
                candidates.append(_network_candidate(label, engine, inpainter, about, seed))
    return candidates


def _open_result(folder: Path, case: Case) -> Photo:
    inner = folder / case.kind
    if not inner.is_dir():
        if case.kinds > 1 and case.kind != GIVEN:
            raise PhotoError(f"{inner}: no such folder, several mask kinds need one folder each")
        inner = folder
    path = find_by_stem(inner, case.name)
    if path is None:
        raise PhotoError(f"{inner / case.name.with_suffix('')}: no filled picture of this name")
    photo, stored = open_photo(path, case.longest)
    if stored != case.stored:
        sizes = f"{stored[1]}x{stored[0]} and the photo {case.stored[1]}x{case.stored[0]}"
        raise PhotoError(f"{path}: is {sizes} pixels, they must be equal")
    return photo


def results_candidates(results: list[str], taken: list[str]) -> list[Candidate]:
    """Finished pictures of other tools: `NAME=DIR`, with DIR/KIND/STEM.png, or DIR/STEM.png for one mask kind.

    The pictures are composited before they are scored; how far they differ outside the mask is a fact of each fill.

    Raises:
        OptionError: a name that is taken.
        PhotoError: a folder that does not exist.
    """
    candidates = []
    for name, folder in named_pairs(results, "results").items():
        if name in taken:
            raise OptionError(f"results {name}={folder}: the name {name} is an engine's, use another")
        if not Path(folder).is_dir():
            raise PhotoError(f"{folder}: is not a folder")

        def fill(case: Case, name: str = name, folder: Path = Path(folder)) -> Fill:
            given = _open_result(folder, case)
            outside = np.abs(given.astype(np.int16) - case.truth)[~case.mask].max(axis=1)
            facts = {"outside_changed": float((outside > 0).mean()), "outside_mean": float(outside.mean() / 255)}
            return Fill(paste(given.astype(np.float32), case.truth, case.mask), {"used": name, **facts})

        candidates.append(Candidate(name, {"results": Path(folder).name}, fill, timed=False))
    return candidates
