"""`fill --recipe`: what the recipe settles cannot be named beside it, whatever its value."""

from dataclasses import fields

import pytest

from inpaint.cli import build_parser, main
from inpaint.options import FillOptions

SETTLED = [
    *((f"--{option.name}", str(option.default)) for option in fields(FillOptions)), ("--model", "dilated"),
    ("--model", "glcic"), ("--device", "auto"), ("--device", "cpu"), ("--mask-is", "auto"), ("--mask-is", "black"),
    ("--lossless",), ("--mark",), ("--keep-time",),
]  # fmt: skip


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipe")
    (folder / "r.json").write_text("never read")
    return folder


@pytest.mark.parametrize("words", SETTLED, ids=" ".join)
def test_what_a_recipe_settles_is_refused_beside_it(recipe, capsys, words):
    assert main(["fill", "--recipe", str(recipe / "r.json"), "-o", str(recipe / "x.png"), *words]) == 2
    assert capsys.readouterr().err == f"error: {words[0]} is part of the recipe and cannot be named beside it\n"


def test_without_a_recipe_every_option_has_its_usual_value(photo_files, monkeypatch):
    jobs = []
    monkeypatch.setattr("inpaint.fill_file.fill_file", lambda job, *_: jobs.append(job))
    with pytest.raises(AttributeError):  # nothing was made, so nothing can be told
        main(["fill", str(photo_files / "photo.png"), str(photo_files / "mask.png"), "-o", "x.png"])
    assert (jobs[0].options, jobs[0].model, jobs[0].device, jobs[0].mask_is) == (
        FillOptions(), "dilated", "auto", "auto",
    )  # fmt: skip


def test_batch_keeps_its_defaults():
    args = build_parser().parse_args(["batch", "p", "-m", "m", "-o", "o"])
    assert (args.engine, args.model, args.device, args.mask_is) == ("auto", "dilated", "auto", "auto")


def test_a_recipe_finds_its_photo_through_a_link_to_the_output_folder(photo_files, capsys):
    (photo_files / "far" / "sub" / "out").mkdir(parents=True)
    (photo_files / "out").symlink_to(photo_files / "far" / "sub" / "out")
    names = [str(photo_files / name) for name in ("photo.png", "mask.png")]
    output = photo_files / "out" / "o.png"
    assert main(["fill", *names, "-o", str(output), "--mark", "--engine", "telea"]) == 0
    assert main(["fill", "--recipe", f"{output}.inpaint.json", "-o", str(photo_files / "again.png")]) == 0
    assert "the same bytes as when the recipe was made" in capsys.readouterr().out
