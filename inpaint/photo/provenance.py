"""Where a fill came from: a mark inside the file, and a recipe beside it that makes the same bytes again."""

import base64
import hashlib
import io
import json
import os
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata as packages
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inpaint.errors import InpaintError, OptionError, PhotoError, RecipeError, shown
from inpaint.options import FillOptions
from inpaint.photo.formats import Format
from inpaint.photo.limits import Limits, read_bytes
from inpaint.photo.mask_meaning import Mask
from inpaint.photo.picture import Photo
from inpaint.photo.xmp import SYNTHETIC, TRAINED, mark_xmp

ENDING = ".inpaint.json"
VERSION = 1
_UNTRAINED = frozenset({"telea", "ns", "patch"})
_PACKAGES = ("torch", "numpy", "opencv-python", "pillow", "numba", "pillow-heif", "jpeglib")
_RECIPE_BYTES = 1 << 28
_MOST_THREADS = 1024  # a recipe may be a stranger's


@dataclass(frozen=True)
class Recipe:
    """Everything that a filled file was made from.

    Args:
        photo: path of the photo, relative to the recipe.
        photo_sha256: of the photo's file.
        size: width and height of the upright photo.
        mask: bool (H, W), True = hole, before widening.
        options: how it was filled.
        model, weights_sha256, device, threads: what filled it.
        engines: that were used, for people.
        output: name of the file that was written, whose ending names its format.
        output_sha256: of that file.
        lossless, mark, keep_time: how it was written.
        versions: of the packages that decide about bytes; None where one was missing.
        show_hole: the hole was made opaque.
    """

    photo: str
    photo_sha256: str
    size: tuple[int, int]
    mask: Mask
    options: FillOptions
    model: str
    weights_sha256: str
    device: str
    threads: int
    engines: str
    output: str
    output_sha256: str
    lossless: bool = False
    mark: bool = False
    keep_time: bool = False
    versions: dict[str, str | None] = field(default_factory=dict)
    show_hole: bool = False

    def to_json(self) -> str:
        """The recipe as JSON text; the mask is a 1-bit PNG inside."""
        values = {f: getattr(self, f) for f in self.__dataclass_fields__}
        values["mask"] = mask_text(self.mask)
        values["options"] = asdict(self.options)
        return json.dumps({"inpaint_recipe": VERSION, **values}, indent=2) + "\n"


def read_recipe(path: Path) -> Recipe:
    """Read a recipe file.

    Raises:
        RecipeError: it cannot be read, or is not a recipe of this version.
    """
    try:
        values = json.loads(read_bytes(path, Limits(file_bytes=_RECIPE_BYTES)))
    except PhotoError as error:
        raise RecipeError(str(error)) from None
    except (ValueError, RecursionError):
        raise RecipeError(f"{shown(path)}: is not a recipe (it is not JSON)") from None
    if not isinstance(values, dict) or values.pop("inpaint_recipe", None) != VERSION:
        raise RecipeError(f"{shown(path)}: is not a recipe of version {VERSION}")
    try:
        values["mask"] = read_mask_text(values["mask"], tuple(values["size"]))
        values["size"] = (int(values["size"][0]), int(values["size"][1]))
        values["options"] = FillOptions(**values["options"])
        recipe = Recipe(**values)
    except (KeyError, TypeError, ValueError, IndexError, OSError, SyntaxError, InpaintError) as error:
        raise RecipeError(f"{shown(path)}: is damaged or of another version ({error})") from None
    kinds: dict[type, tuple[str, ...]] = {
        str: ("photo", "photo_sha256", "model", "weights_sha256", "device", "output", "output_sha256"),
        int: ("threads",), bool: ("lossless", "mark", "keep_time"), dict: ("versions",),
    }  # fmt: skip
    for name, kind in ((name, kind) for kind, names in kinds.items() for name in names):
        if not isinstance(getattr(recipe, name), kind):
            raise RecipeError(f"{shown(path)}: is damaged or of another version ({name} is not {kind.__name__})")
    if not 1 <= recipe.threads <= _MOST_THREADS:
        raise RecipeError(f"{shown(path)}: is damaged or of another version (it names {recipe.threads} threads)")
    return recipe


def mask_text(mask: Mask) -> str:
    """A mask bool (H, W) as a PNG in base64."""
    picture = io.BytesIO()
    Image.fromarray(mask).save(picture, "PNG", optimize=True)
    return base64.b64encode(picture.getvalue()).decode("ascii")


def read_mask_text(text: str, size: tuple[Any, ...]) -> Mask:
    """The mask bool (H, W) of `mask_text`; raises an OSError, SyntaxError or ValueError unless it has that (W, H)."""
    picture = Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=("PNG",))
    if picture.size != size or picture.mode != "1":
        raise ValueError(f"its mask is {picture.size[0]}x{picture.size[1]} {picture.mode}, the photo {size}")
    return np.array(picture)


def recipe_path(output: Path) -> Path:
    """Where the recipe of a written file lies."""
    return output.with_name(output.name + ENDING)


def relative_photo(photo: Path, output: Path) -> str:
    """The photo's path as a recipe beside `output` names it; the name alone where there is no way between them.

    Links to folders are followed, because the system resolves `..` behind them.
    """
    try:
        return os.path.relpath(Path(os.path.realpath(photo.parent), photo.name), os.path.realpath(output.parent))
    except ValueError:  # another drive
        return photo.name


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions() -> dict[str, str | None]:
    """Versions of the packages that decide about bytes; None for one that is not installed."""
    found: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            found[name] = packages.version(name)
        except packages.PackageNotFoundError:
            found[name] = None
    return found


def check_mark(form: Format, path: Path) -> None:
    """Refuse a mark in a format that has no place for it; raises OptionError."""
    if not form.xmp:
        raise OptionError(f"{shown(path)}: {form.name} has no place for a mark")


def marked(photo: Photo, engines: set[str]) -> Photo:
    """The photo with the IPTC digital source type in its XMP.

    Args:
        photo: filled.
        engines: that filled it; a trained network among them makes it a composite with trained algorithmic media.
    """
    term = SYNTHETIC if engines <= _UNTRAINED else TRAINED
    return replace(photo, metadata=replace(photo.metadata, xmp=mark_xmp(photo.metadata.xmp, term)))
