"""Folders of small photos and masks for the tests of `inpaint.batch`."""

import json

import numpy as np
from PIL import Image

from inpaint.cli import main
from tests.conftest import scene

HEIGHT, WIDTH = 32, 40
JOURNAL = "out/inpaint-batch.jsonl"


def write_photo(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(scene(HEIGHT, WIDTH, seed)).save(path)
    return path


def write_mask(path, box=(8, 20, 10, 24), shape=(HEIGHT, WIDTH)):
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(shape, np.uint8)
    mask[box[0] : box[1], box[2] : box[3]] = 255
    Image.fromarray(mask).save(path)
    return path


def write_logos(folder):
    """Twelve photos that share a faint logo; returns where it is, bool (96, 128)."""
    rng, mark = np.random.default_rng(0), np.zeros((96, 128, 1))
    mark[60:80, 70:110] = 1
    mark[66:74, 78:102] = 0
    folder.mkdir()
    for k in range(12):
        photo = scene(96, 128, k)[:, :: (-1) ** k].astype(float) + rng.normal(0, 12, (96, 128, 3))
        pixels = photo * (1 - 0.6 * mark) + 255 * 0.6 * mark
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{k:02}.png")
    return mark[..., 0] > 0


def folders(root, count=6):
    """`count` photos of several formats in sub-folders of `root/photos`, and their masks in `root/masks`."""
    for k in range(count):
        name = f"{'abc'[k % 3]}/photo{k:02}"
        write_photo(root / "photos" / f"{name}{('.png', '.jpg', '.webp', '.tif')[k % 4]}", k)
        write_mask(root / "masks" / f"{name}.png", (4 + k % 5, 20, 10, 20 + k % 7))
    return root


def arguments(root, *extra, photos="photos", masks="masks", output="out", engine="telea", workers="0"):
    return [
        "batch", str(root / photos), "-m", str(root / masks), "-o", str(root / output), "--engine", engine,
        "--workers", workers, *extra,
    ]  # fmt: skip


def batch(root, *extra, **names):
    return main(arguments(root, *extra, **names))


def tree(folder):
    """Every file below a folder but the journal, with its bytes."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != "inpaint-batch.jsonl")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def upload(system, root, count=6):
    """The photos and masks of `folders`, in `root` and under `bucket` in a file system of fsspec."""
    folders(root, count)
    for part in ("photos", "masks"):
        for name, data in tree(root / part).items():
            system.pipe_file(f"bucket/{part}/{name}", data)


def records(journal, kind=None):
    lines = [json.loads(line) for line in journal.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    return [r for r in lines if kind in (None, r["kind"])]


def journal(root, kind=None):
    return records(root / JOURNAL, kind)
