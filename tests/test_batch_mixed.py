"""300 mixed files, 60 of them bad: every failure is reported with its reason, every good file comes out right."""

import json
import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

from inpaint.cli import main
from tests.batches import HEIGHT, WIDTH, tree, write_mask, write_photo

GOOD, BAD = 240, 60
HOLE = (8, 20, 10, 24)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """The root with `photos`, `more` and `masks`; the good outputs; words of the reason by bad photo."""
    root = tmp_path_factory.mktemp("mixed")
    good, bad = {}, {}
    names = ["plain", "naïve", "写真", "two\nlines", "a b", "semi;colon", "cafe\u0301", "-dash", "quote'\"", "%41"]
    for k in range(GOOD):
        relative = f"f{k % 7}/{names[k % 10]}{k:03}{('.png', '.jpg', '.webp', '.tif', '.bmp')[k % 5]}"
        good[relative] = write_photo(root / "photos" / relative, k)
        stem = unicodedata.normalize("NFC", os.path.splitext(relative)[0])
        write_mask(root / "masks" / f"{stem}{('', '_mask', '-mask', '.mask')[k % 4]}.png", HOLE)

    def spoil(name, words, data=None, mask=True):
        path = root / "photos" / name
        if data is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if mask is True:
            write_mask(root / "masks" / f"{os.path.splitext(name)[0]}.png", HOLE)
        bad[str(path)] = words
        return path

    jpeg, png = good["f1/naïve001.jpg"].read_bytes(), good["f0/plain000.png"].read_bytes()
    for k in range(6):
        spoil(f"bad/cut{k}.jpg", "is damaged or incomplete", jpeg[: len(jpeg) // 3 + k])
        spoil(f"bad/cut{k}.png", "is damaged or incomplete", png[: len(png) // 2 + k], mask=False)
        spoil(f"bad/empty{k}.png", "is empty", b"")
        spoil(f"bad/text\n{k}.webp", "is not a picture", b"hello" * 50)
        write_photo(spoil(f"bad/other{k}.png", "shapes that do not match", mask=False))
        write_mask(root / "masks" / f"bad/other{k}.png", HOLE, (HEIGHT, WIDTH * 2))
        write_photo(spoil(f"bad/white{k}.png", "covers the whole photo", mask=False))
        write_mask(root / "masks" / f"bad/white{k}.png", (0, HEIGHT, 0, WIDTH))
        write_photo(spoil(f"bad/broken{k}.png", "broken", mask=False))
        (root / "masks" / f"bad/broken{k}.png").write_bytes(b"broken")
    for k in range(5):
        write_photo(root / "photos/bad" / f"twice{k}.png")
        write_photo(root / "more/bad" / f"twice{k}.png", k)
        write_mask(root / "masks/bad" / f"twice{k}.png", HOLE)
        bad[str(root / "photos/bad" / f"twice{k}.png")] = "would have the same output as"
        bad[str(root / "more/bad" / f"twice{k}.png")] = "would have the same output as"
    for k in range(3):
        spoil(f"bad/dangling{k}.png", "file not found").symlink_to("nowhere")
    os.mkfifo(spoil("bad/pipe0.png", "is not a regular file"))
    os.mkfifo(spoil("bad/pipe1.png", "is not a regular file"))
    spoil("bad/loop.png", "symbolic links").symlink_to("loop.png")
    spoil("bad/back", "is a link to a folder that it lies in", mask=False).symlink_to("..")
    spoil("bad/noise.png", "damaged", png[:60] + bytes(np.random.default_rng(0).integers(0, 256, 900, np.uint8)))
    assert len(good) == GOOD and len(bad) == BAD
    return root, good, bad


def test_every_failure_is_reported_and_every_good_file_is_right(mixed, capsys):
    root, good, bad = mixed
    untouched = tree(root / "masks")
    command = ["batch", str(root / "photos"), str(root / "more"), "-m", str(root / "masks"), "-o", str(root / "out")]
    assert main([*command, "--engine", "telea", "--workers", "0", "--report", str(root / "report.json")]) == 1
    shown = capsys.readouterr()
    assert "240 done, 60 failed" in shown.out
    errors = [line for line in shown.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == BAD  # a name with a line break takes one line, too
    report = json.loads((root / "report.json").read_text())
    reasons = {failure["photo"]: failure["reason"] for failure in report["failed"]}
    assert set(reasons) == set(bad)
    assert {p: r for p, r in reasons.items() if bad[p] not in r} == {}
    made = tree(root / "out")
    assert set(made) == set(good)
    hole = np.zeros((HEIGHT, WIDTH), bool)
    hole[HOLE[0] : HOLE[1], HOLE[2] : HOLE[3]] = True
    for name, path in good.items():
        before, after = (np.array(Image.open(p).convert("RGB")).astype(int) for p in (path, root / "out" / name))
        difference = np.abs(before - after)
        assert difference[hole].any(), name
        if name.endswith((".png", ".tif", ".bmp")):
            assert not difference[~hole].any(), name
        else:
            assert difference[~hole].mean() < 4, name
    assert tree(root / "masks") == untouched
    assert not (root / "out/bad").exists()
