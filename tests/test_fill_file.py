"""`fill` on files: proof, report, mark, recipe, and what is refused before anything is written."""

import json
import os
import re
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from inpaint.cli import main
from inpaint.errors import MaskError, OutputError
from inpaint.fill_file import FillJob, check_job, fill_file
from inpaint.filling.kernels import Kernel
from inpaint.models.weights import default_weights
from inpaint.options import FillOptions
from inpaint.photo.files import load_photo
from inpaint.photo.provenance import read_recipe
from inpaint.photo.xmp import SYNTHETIC, TRAINED, source_type
from tests.conftest import scene


def run(folder, *extra, photo="photo.png", mask="mask.png", out="out.png"):
    return main(["fill", str(folder / photo), str(folder / mask), "-o", str(folder / out), *map(str, extra)])


def hole_of(folder):
    return np.array(Image.open(folder / "mask.png")) > 127


def test_the_proof_is_said_and_reported(photo_files, capsys):
    assert run(photo_files, "--engine", "telea", "--dilate", 3, "--report", photo_files / "r.json") == 0
    out = capsys.readouterr().out
    report = json.loads((photo_files / "r.json").read_text())
    kept = 96 * 72 - report["filled_pixels"]
    assert report["filled_pixels"] > 900 and f"0 of {kept:,} kept pixels changed" in out
    assert report["verification"]["changed"] == 0 and report["verification"]["kept"] == kept
    assert "white is the hole" in out and report["notes"][0].endswith("(13 % of the picture)")
    assert run(photo_files, "--engine", "telea", "--no-verify", out="p.png") == 0
    assert "kept pixels" not in capsys.readouterr().out


def test_the_proof_costs_little_beside_the_fill(tmp_path, inpainter):
    photo, mask = scene(512, 512), np.zeros((512, 512), bool)
    mask[180:340, 200:360] = True
    Image.fromarray(photo).save(tmp_path / "a.png")
    fill_file(FillJob(tmp_path / "a.png", mask, tmp_path / "warm.png"), lambda: inpainter)
    made = fill_file(FillJob(tmp_path / "a.png", mask, tmp_path / "b.png"), lambda: inpainter)
    assert made.verification.changed == 0 and made.seconds["verify"] < 0.1 * made.seconds["fill"]


@pytest.mark.parametrize("engine", ["telea", "detail"])
def test_16_bits_end_to_end(photo_files, engine):
    deep = scene(72, 96).astype(np.uint16) * 256 + np.arange(96, dtype=np.uint16)[None, :, None]
    cv2.imwrite(str(photo_files / "deep.png"), deep[..., ::-1])
    assert run(photo_files, "--engine", engine, photo="deep.png") == 0
    after = cv2.imread(str(photo_files / "out.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    hole = hole_of(photo_files)
    assert after.dtype == np.uint16 and np.array_equal(after[~hole], deep[~hole])
    assert len(np.unique(after[hole] & 255)) > 16  # the fill uses the lower bits, too


def test_colours_under_transparency_are_not_copied_into_the_hole(photo_files):
    photo = np.dstack([np.full((72, 96, 3), 180, np.uint8), np.full((72, 96), 255, np.uint8)])
    photo[:, :29] = 0  # black, and invisible, up to the hole
    Image.fromarray(photo).save(photo_files / "cut.png")
    assert run(photo_files, "--engine", "telea", photo="cut.png") == 0
    after = np.array(Image.open(photo_files / "out.png"))
    hole = hole_of(photo_files)
    assert np.array_equal(after[~hole], photo[~hole]) and np.array_equal(after[..., 3], photo[..., 3])
    assert after[hole][:, :3].min() >= 178


def test_mask_is_settles_doubt(photo_files, capsys):
    half = np.tile(np.arange(96) % 10 < 6, (72, 1))
    Image.fromarray(half.astype(np.uint8) * 255).save(photo_files / "half.png")
    assert run(photo_files, "--engine", "telea", mask="half.png") == 1
    assert "--mask-is white, black, alpha or transparent" in capsys.readouterr().err
    assert run(photo_files, "--engine", "telea", "--mask-is", "black", mask="half.png") == 0
    assert f"{int((~half).sum()):,} pixels filled" in capsys.readouterr().out


def test_output_follows_the_photo(photo_files):
    Image.open(photo_files / "photo.png").save(photo_files / "holiday.jpg")
    arguments = ["fill", str(photo_files / "holiday.jpg"), str(photo_files / "mask.png"), "--engine", "telea"]
    assert main(arguments) == 0 and main([*arguments, "--lossless"]) == 0
    assert Image.open(photo_files / "holiday_filled.jpg").format == "JPEG"
    lossless = np.array(Image.open(photo_files / "holiday_filled.png"))
    hole = hole_of(photo_files)
    assert np.array_equal(lossless[~hole], load_photo(photo_files / "holiday.jpg").pixels[~hole])


def test_a_mask_over_the_stored_photo_is_turned_like_it(photo_files, capsys):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(photo_files / "photo.png").save(photo_files / "turned.png", exif=exif)
    assert run(photo_files, "--engine", "telea", photo="turned.png") == 0
    assert "turned upright like the photo" in capsys.readouterr().out
    assert Image.open(photo_files / "out.png").size == (72, 96)


def test_keep_time(photo_files):
    os.utime(photo_files / "photo.png", (1_000_000_000, 1_000_000_000))
    assert run(photo_files, "--engine", "telea", "--keep-time") == 0
    assert (photo_files / "out.png").stat().st_mtime == 1_000_000_000


def test_marks_say_what_filled(photo_files):
    assert run(photo_files, "--engine", "network", "--mark") == 0
    assert run(photo_files, "--engine", "telea", "--mark", out="telea.jpg") == 0
    assert run(photo_files, "--engine", "telea", out="plain.jpg") == 0
    assert source_type(load_photo(photo_files / "out.png").metadata.xmp) == TRAINED
    assert source_type(load_photo(photo_files / "telea.jpg").metadata.xmp) == SYNTHETIC
    assert load_photo(photo_files / "plain.jpg").metadata.xmp is None
    assert not (photo_files / "plain.jpg.inpaint.json").exists()


def again(folder, *extra, recipe="out.png.inpaint.json", out="again.png"):
    return main(["fill", "--recipe", str(folder / recipe), "-o", str(folder / out), *map(str, extra)])


@pytest.mark.parametrize("out", ["out.png", "out.jpg"])
def test_a_recipe_makes_the_same_bytes(photo_files, capsys, out):
    assert run(photo_files, "--engine", "detail", "--dilate", 2, "--seed", 5, "--mark", out=out) == 0
    recipe = read_recipe(photo_files / f"{out}.inpaint.json")
    assert recipe.size == (96, 72) and recipe.photo == "photo.png" and recipe.options.seed == 5
    assert np.array_equal(recipe.mask, hole_of(photo_files))
    (photo_files / "mask.png").unlink()
    assert again(photo_files, recipe=f"{out}.inpaint.json", out=f"again{out[3:]}") == 0
    assert "the same bytes as when the recipe was made" in capsys.readouterr().out
    assert (photo_files / out).read_bytes() == (photo_files / f"again{out[3:]}").read_bytes()


def test_recipes_that_do_not_fit_are_refused(photo_files, capsys):
    assert run(photo_files, "--engine", "telea", "--mark") == 0
    text = (photo_files / "out.png.inpaint.json").read_text()
    values = json.loads(text)
    broken = {
        "nothing.json": ("", "is not JSON"), "list.json": ("[]", "is not a recipe of version 1"),
        "old.json": (json.dumps({**values, "inpaint_recipe": 0}), "is not a recipe of version 1"),
        "mask.json": (json.dumps({**values, "mask": "!"}), "is damaged or of another version"),
        "size.json": (json.dumps({**values, "size": [3, 4]}), "its mask is 96x72 1, the photo"),
        "zero.json": (json.dumps({**values, "threads": 0}), "(it names 0 threads)"),
        "many.json": (json.dumps({**values, "threads": 2**70}), f"(it names {2**70} threads)"),
        "key.json": (json.dumps({**values, "extra": 1}), "is damaged or of another version"),
        "option.json": (json.dumps({**values, "options": {"engine": "magic"}}), "engine must be one of"),
        "type.json": (json.dumps({**values, "photo": 7}), "photo is not str"),
        "weights.json": (json.dumps({**values, "weights_sha256": "0"}), "was made with other weights"),
        "deep.json": ("[" * 100_000, "is not JSON"),
    }  # fmt: skip
    capsys.readouterr()
    for name, (content, words) in broken.items():
        (photo_files / name).write_text(content)
        assert again(photo_files, recipe=name) == 1
        error = capsys.readouterr().err
        assert words in error and name in error and error.count("\n") == 1
    assert again(photo_files, recipe="none.json") == 1 and "file not found" in capsys.readouterr().err
    assert again(photo_files, out="again.jpg") == 2 and "ends in .png" in capsys.readouterr().err
    assert again(photo_files, "--engine", "ns") == 2 and "--engine is part of the recipe" in capsys.readouterr().err
    assert again(photo_files, "--mask-is", "black") == 2 and "--mask-is is part" in capsys.readouterr().err
    Image.fromarray(scene(72, 96, 1)).save(photo_files / "photo.png")
    assert again(photo_files) == 1 and "is not the photo that the recipe was made with" in capsys.readouterr().err
    assert not (photo_files / "again.png").exists()


@pytest.mark.parametrize(
    ("extra", "code", "words"),
    [
        (["--report", "{}/nowhere/r.json"], 1, "r.json: the folder does not exist"),
        (["--report", "{}"], 1, "is a folder"),
        (["--report", "{}/taken.json"], 1, "taken.json: exists already"),
        (["--report", "{}/photo.png", "--overwrite"], 1, "photo.png: is named for two files at once"),
        (["--report", "{}/out.png", "--overwrite"], 1, "out.png: is named for two files at once"),
        (["-o", "{}"], 1, "is a folder"), (["-o", "{}/out.xyz"], 1, "out.xyz: cannot tell the format"),
        (["-o", "{}/out.heic"], 1, "out.heic: cannot be written as HEIC without one more package"),
        (["--lossless", "-o", "{}/out.jpg"], 2, "JPEG is not lossless, name a .png"),
        (["--mark", "-o", "{}/out.bmp"], 2, "BMP has no place for a mark"),
        (["--max-pixels", "100"], 1, "photo.png: has 96x72 pixels, too many"),
        (["--max-bytes", "100"], 1, "more than the limit of 100"),
        (["--max-pixels", "0"], 2, "limits must be at least 1"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    photo_files, capsys, monkeypatch, extra, code, words
):  # fmt: skip
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr("inpaint.inpainter.Inpainter.fill", None)  # nothing is filled
    (photo_files / "taken.json").write_text("mine")
    before = {p.name: p.read_bytes() for p in photo_files.iterdir()}
    assert run(photo_files, *(e.format(photo_files) for e in extra)) == code
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
    assert {p.name: p.read_bytes() for p in photo_files.iterdir()} == before


@pytest.mark.parametrize("named", [True, False])
def test_a_mask_that_is_widened_over_everything_is_named(photo_files, inpainter, named):
    mask, photo = photo_files / "mask.png", photo_files / "photo.png"
    job = FillJob(photo, mask if named else hole_of(photo_files), photo_files / "out.png", FillOptions(dilate=200))
    words = f"^{re.escape(str(mask if named else photo))}: the mask covers the whole photo, so nothing is left"
    with pytest.raises(MaskError, match=words):
        fill_file(job, lambda: inpainter)


def test_photo_without_mask_is_wrong_usage(photo_files, capsys):
    assert main(["fill", str(photo_files / "photo.png")]) == 2
    assert "fill needs a PHOTO and a MASK, or --recipe FILE" in capsys.readouterr().err


def test_a_failed_proof_leaves_no_file(photo_files, capsys, monkeypatch):
    real = load_photo

    def spoiled(path, limits, thorough):
        photo = real(path, limits)
        return photo.with_pixels(photo.pixels ^ 1)

    monkeypatch.setattr("inpaint.photo.verify.load_photo", spoiled)
    before = sorted(os.listdir(photo_files))
    assert run(photo_files, "--engine", "telea", "--mark", "--report", photo_files / "r.json") == 1
    assert "out.png: was not kept, since 6,012 of 6,012 kept pixels changed" in capsys.readouterr().err
    assert sorted(os.listdir(photo_files)) == before


def test_names_with_line_breaks_and_bytes_stay_on_one_line(photo_files, capsys):
    for name in ("line\nbreak.png", os.fsdecode(b"bad\xff.png")):
        (photo_files / "photo.png").rename(photo_files / name)
        assert run(photo_files, "--engine", "telea", photo=name, out="o" + name, mask="none.png") == 1
        assert capsys.readouterr().err.count("\n") == 1
        assert run(photo_files, "--engine", "telea", photo=name, out="o" + name) == 0
        out = capsys.readouterr().out
        assert out.encode() and out.count("\n") == 2
        (photo_files / name).rename(photo_files / "photo.png")


def test_output_over_the_photo_itself(photo_files):
    before = np.array(Image.open(photo_files / "photo.png"))
    assert run(photo_files, "--engine", "telea", "--overwrite", out="photo.png") == 0
    after = np.array(Image.open(photo_files / "photo.png"))
    hole = hole_of(photo_files)
    assert np.array_equal(before[~hole], after[~hole]) and not np.array_equal(before, after)


def test_output_never_takes_the_place_of_the_mask(photo_files, capsys):
    before = {p.name: p.read_bytes() for p in photo_files.iterdir()}
    assert run(photo_files, "--engine", "telea", "--overwrite", out="mask.png") == 1
    assert capsys.readouterr().err.endswith("mask.png: is named for two files at once\n")
    assert {p.name: p.read_bytes() for p in photo_files.iterdir()} == before


def test_every_candidate_is_written_and_proved(photo_files, capsys):
    extra = ("--engine", "patch", "--candidates", 3, "--mark", "--report", photo_files / "r.json")
    (photo_files / "out_2.png").write_bytes(b"mine")
    assert run(photo_files, *extra) == 1
    assert "out_2.png: exists already" in capsys.readouterr().err and not (photo_files / "out.png").exists()
    (photo_files / "out_2.png").unlink()
    assert run(photo_files, *extra) == 0
    assert capsys.readouterr().out.count("kept pixels changed") == 3
    hole = hole_of(photo_files)
    photo, *made = (np.array(Image.open(photo_files / f)) for f in ("photo.png", "out.png", "out_2.png", "out_3.png"))
    assert all(np.array_equal(one[~hole], photo[~hole]) for one in made)
    assert len({one.tobytes() for one in made}) == 3
    report = json.loads((photo_files / "r.json").read_text())
    assert [os.path.basename(a["path"]) for a in report["alternatives"]] == ["out_2.png", "out_3.png"]
    assert all(a["verification"]["changed"] == 0 and a["sha256"] for a in report["alternatives"])
    assert main(["fill", "--recipe", str(photo_files / "out.png.inpaint.json"), "-o", str(photo_files / "b.png")]) == 0
    assert "the same bytes" in capsys.readouterr().out
    for name in ("", "_2", "_3"):
        assert (photo_files / f"out{name}.png").read_bytes() == (photo_files / f"b{name}.png").read_bytes()


def test_what_the_fill_itself_has_to_say_is_told(photo_files, capsys, monkeypatch):
    monkeypatch.setattr(Kernel, "complaint", classmethod(lambda cls: ["said once"]))
    assert run(photo_files, "--report", photo_files / "report.json", "--engine", "telea") == 0
    assert "said once" in capsys.readouterr().out
    assert json.loads((photo_files / "report.json").read_text())["notes"].count("said once") == 1


def test_neither_weights_nor_recipe_are_overwritten(photo_files, capsys):
    weights = photo_files / "w.safetensors"
    weights.write_bytes(default_weights("dilated").read_bytes())
    before = weights.read_bytes()
    for how in (("--weights", weights), ("--model", weights)):
        assert run(photo_files, *how, "--overwrite", "--report", weights) == 1
        assert capsys.readouterr().err.endswith("w.safetensors: is named for two files at once\n")
    assert weights.read_bytes() == before and not (photo_files / "out.png").exists()
    job = FillJob(*(photo_files / name for name in ("photo.png", "mask.png", "out.png")), overwrite=True)
    with pytest.raises(OutputError, match="is named for two files at once"):
        check_job(replace(job, report=default_weights("dilated")))
    assert run(photo_files, "--engine", "telea", "--mark") == 0
    recipe = photo_files / "out.png.inpaint.json"
    again = ["fill", "--recipe", str(recipe), "--overwrite", "-o", str(photo_files / "out.png")]
    kept = recipe.read_bytes()
    assert main([*again, "--report", str(recipe)]) == 1 and recipe.read_bytes() == kept
    assert main(again) == 0  # which writes the same recipe again


def test_candidates_that_come_out_the_same_are_left_out(photo_files, capsys):
    mask = np.zeros((72, 96), np.uint8)
    mask[20, 30] = mask[50:52, 60:62] = 255
    Image.fromarray(mask).save(photo_files / "mask.png")
    assert run(photo_files, "--candidates", 4, "--report", photo_files / "r.json") == 0
    assert "3 of 4 fills were the same as another" in capsys.readouterr().out
    report = json.loads((photo_files / "r.json").read_text())
    assert report["alternatives"] == [] and [c["engines"] for c in report["candidates"]] == ["ns"]
    assert not list(photo_files.glob("out_*"))
