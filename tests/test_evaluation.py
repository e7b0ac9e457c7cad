import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from inpaint.cli import main
from inpaint.errors import MaskError, OptionError, PhotoError
from inpaint.evaluation.candidates import Case, engine_candidates, named_pairs, results_candidates
from inpaint.evaluation.cases import draw_mask, find_photos, open_photo
from inpaint.evaluation.metrics import l1_in_hole, load_perceptual, psnr, score, ssim
from inpaint.evaluation.results import read_results
from inpaint.evaluation.summary import area_bin, bootstrap_mean, paired, summarise
from inpaint.inpainter import Inpainter
from inpaint.masking.random import KINDS
from tests.conftest import scene

NETS = os.environ.get("INPAINT_NETS")
needs_nets = pytest.mark.skipif(not NETS, reason="INPAINT_NETS names no folder with the SqueezeNet and LPIPS files")


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Three photos of 96x80 pixels, one of them in a sub-folder; without LPIPS."""
    monkeypatch.delenv("INPAINT_NETS", raising=False)
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for i, name in enumerate(("a.png", "b.png", "more/c.png")):
        Image.fromarray(scene(80, 96, i)).save(folder / name)
    return folder


def evaluate(photos, *extra, out="out", engines="telea,ns", masks="thin,objects"):
    names = ["--engines", engines] if engines else []
    names += ["--masks", masks] if masks else []
    return main(["evaluate", "--photos", str(photos), "--output", str(photos.parent / out), *names, *extra])


def results(photos, out="out"):
    return read_results(photos.parent / out / "results.json")


def scores_of(found):
    return [{k: v for k, v in r.items() if k != "seconds"} for r in found["records"]]


def test_metrics_by_hand():
    truth = np.zeros((8, 8, 3), np.uint8)
    filled = truth.copy()
    mask = np.zeros((8, 8), bool)
    mask[:2] = True
    filled[0] = 255
    assert l1_in_hole(truth, filled, mask) == 0.5
    assert psnr(truth, filled) == pytest.approx(10 * np.log10(8))
    assert psnr(truth, truth) == 100 and ssim(truth, truth) == 1
    assert score(truth, filled, mask, None).keys() == {"psnr", "ssim", "l1"}


def test_psnr_is_scikit_images():
    a, b = scene(40, 50, 1), scene(40, 50, 2)
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b))


@needs_nets
def test_lpips_reproduces_the_check_values():
    from inpaint.training.perceptual import SqueezeLPIPS

    network = SqueezeLPIPS(Path(NETS)).eval()
    torch.manual_seed(123)
    a, b = (torch.rand(10, 3, 100, 100) * 2 - 1 for _ in range(2))
    assert float(network(a, b).mean()) == pytest.approx(0.1008, abs=1e-4)
    generator = torch.Generator().manual_seed(42)
    a, b = (torch.rand(2, 3, 100, 100, generator=generator) * 2 - 1 for _ in range(2))
    assert network(a, b).tolist() == pytest.approx([0.1024, 0.0938], abs=1e-4)
    distance = load_perceptual(Path(NETS), torch.device("cpu"))
    a, b = scene(64, 64, 1), scene(64, 64, 2)
    tensors = [torch.from_numpy(x / 127.5 - 1).permute(2, 0, 1)[None].float() for x in (a, b)]
    assert distance(a, b) == pytest.approx(float(network(*tensors)), abs=1e-6) and distance(a, a) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_depends_on_kind_seed_and_photo_alone(kind):
    mask = draw_mask(kind, 0, 3, (60, 80))
    assert mask.shape == (60, 80) and mask.dtype == bool and 0 < mask.mean() <= 0.8
    assert np.array_equal(mask, draw_mask(kind, 0, 3, (60, 80)))
    others = [draw_mask(kind, 1, 3, (60, 80)), draw_mask(kind, 0, 4, (60, 80))]
    assert not any(np.array_equal(mask, other) for other in others)


def test_large_photos_are_made_smaller_and_tiny_ones_refused(tmp_path):
    Image.fromarray(scene(100, 200)).save(tmp_path / "large.png")
    Image.fromarray(scene(20, 200)).save(tmp_path / "tiny.png")
    photo, stored = open_photo(tmp_path / "large.png", 100)
    assert photo.shape == (50, 100, 3) and stored == (100, 200)
    with pytest.raises(PhotoError, match=r"tiny\.png: is 200x20 pixels, both sides must be at least 32"):
        open_photo(tmp_path / "tiny.png", 1000)


def test_bootstrap_draws_whole_photos():
    values = [1.0, 1.0, 1.0, 5.0]
    alone = bootstrap_mean(values, ["a", "b", "c", "d"])
    assert alone["mean"] == 2 and alone["low"] == 1 and 3 <= alone["high"] <= 4
    together = bootstrap_mean(values, ["a", "a", "a", "d"])
    assert (together["low"], together["high"], together["groups"], together["cases"]) == (1, 5, 2, 4)
    assert bootstrap_mean([3.0], ["a"])["low"] is None
    many = np.random.default_rng(0).normal(0, 1, 400)
    found = bootstrap_mean(many, [str(i) for i in range(400)])
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * many.std() / 20, rel=0.1)


def test_area_bins():
    assert [area_bin(a) for a in (0.001, 0.1, 0.101, 0.2, 0.79, 1.0)] == [0, 0, 1, 1, 7, 9]


def record(photo, engine, value, kind="thin", area=0.05):
    return {"photo": photo, "kind": kind, "engine": engine, "area": area, "l1": value, "mask": "0"}


def test_summary_by_kind_bin_and_baseline():
    records = [record("a", "x", 0.2), record("b", "x", 0.4), record("a", "y", 0.1), record("b", "y", 0.2)]
    records += [record("a", "y", 0.9, "thick", 0.35)]
    rows = summarise(records, ["x", "y"], ["thin", "thick"], "x")
    places = [(r["kind"], r["bin"], r["engine"]) for r in rows]
    assert places == [
        ("thin", None, "x"), ("thin", None, "y"), ("thick", None, "y"), ("all", None, "x"), ("all", None, "y"),
        ("all", 0, "x"), ("all", 0, "y"), ("all", 3, "y"),
    ]  # fmt: skip
    against = rows[1]["l1"]["against_baseline"]
    assert against["mean"] == pytest.approx(-0.15) and against["cases"] == 2 and against["high"] < 0
    assert "against_baseline" not in rows[0]["l1"] and "against_baseline" not in rows[2]["l1"]
    assert paired(records[:1], records[3:4], "l1") is None


def test_engines_and_models_make_candidates(tmp_path):
    weights = Path("weights/dilated.safetensors").resolve()
    found = engine_candidates(["network", "telea"], [f"old={weights}", "dilated"], "cpu")
    assert [c.label for c in found] == ["network@old", "network@dilated", "telea"]
    assert found[0].about["sha256"] == found[1].about["sha256"] and found[0].about["parameters"] > 1_000_000
    assert [c.label for c in engine_candidates(["network"], [], "cpu")] == ["network"]
    for engines, words in ((["magic"], "got 'magic'"), (["telea", "telea"], "named once")):
        with pytest.raises(OptionError, match=words):
            engine_candidates(engines, [], "cpu")
    with pytest.raises(OptionError, match="the name dilated is taken"):
        named_pairs([str(weights), "x/dilated.safetensors"], "model")
    with pytest.raises(OptionError, match="may hold letters"):
        named_pairs(["a b=x"], "model")


@pytest.mark.parametrize("engine", ["network", "telea", "biharmonic"])
def test_every_candidate_is_composited(engine):
    truth, mask = scene(64, 64), np.zeros((64, 64), bool)
    mask[20:40, 20:40] = True
    before = truth.copy()
    case = Case(Path("a.png"), "boxes", 1, truth, mask, (64, 64), 1024)
    fill = engine_candidates([engine], [], "cpu")[0].fill(case)
    assert np.array_equal(fill.photo[~mask], truth[~mask]) and not np.array_equal(fill.photo[mask], truth[mask])
    assert np.array_equal(truth, before) and fill.facts["seconds"] > 0 and fill.facts["used"] == engine


def test_the_command_writes_results_and_report(photos, capsys):
    assert evaluate(photos) == 0
    shown = capsys.readouterr()
    assert "LPIPS is left out: the SqueezeNet and LPIPS files are needed: give --nets" in shown.err
    assert "objects  telea" in shown.out and "report.html" in shown.out
    found = results(photos)
    assert len(found["records"]) == 3 * 2 * 2 and not found["failures"] and found["metrics"][0] == "psnr"
    assert [p["name"] for p in found["photos"]] == ["a.png", "b.png", "more/c.png"]
    case = next(r for r in found["records"] if (r["photo"], r["kind"], r["engine"]) == ("b.png", "objects", "telea"))
    truth, mask = scene(80, 96, 1), draw_mask("objects", 0, 1, (80, 96))
    filled = Inpainter.load(device="cpu").fill(truth, mask, _options("telea")).photo
    assert case["psnr"] == pytest.approx(psnr(truth, filled), abs=1e-5)
    assert case["area"] == pytest.approx(mask.mean(), abs=1e-6) and case["used"] == "telea" and case["seconds"] > 0
    row = next(r for r in found["summary"] if (r["kind"], r["engine"], r["bin"]) == ("objects", "ns", None))
    assert row["cases"] == 3 and row["psnr"]["low"] <= row["psnr"]["mean"] <= row["psnr"]["high"]
    objects = [r for r in found["records"] if r["kind"] == "objects"]
    ns, telea = ([r["l1"] for r in objects if r["engine"] == engine] for engine in ("ns", "telea"))
    difference = np.mean(ns) - np.mean(telea)
    assert row["l1"]["against_baseline"]["mean"] == pytest.approx(difference, abs=1e-5)


def _options(engine):
    from inpaint.options import FillOptions

    return FillOptions(engine=engine)


def test_masks_do_not_depend_on_the_other_kinds(photos):
    assert evaluate(photos, out="both") == 0 and evaluate(photos, out="one", masks="objects") == 0
    both = [r for r in scores_of(results(photos, "both")) if r["kind"] == "objects"]
    assert both == scores_of(results(photos, "one"))
    assert evaluate(photos, "--seed", "1", out="seed", masks="objects") == 0
    masks = [{r["mask"] for r in results(photos, name)["records"]} for name in ("one", "seed")]
    assert not masks[0] & masks[1]


def test_an_interrupted_run_goes_on(photos, capsys):
    assert evaluate(photos, out="whole") == 0
    assert evaluate(photos, "--limit", "2") == 0
    journal = photos.parent / "out" / "records.jsonl"
    journal.write_text(journal.read_text()[:-40])  # the last record was cut off
    before = journal.read_text().count("\n")
    assert evaluate(photos) == 1 and "use --resume, --overwrite or another --output" in capsys.readouterr().err
    assert evaluate(photos, "--resume") == 0
    assert journal.read_text().count("\n") - before == 3 * 2 * 2 - 7
    assert scores_of(results(photos)) == scores_of(results(photos, "whole"))
    assert evaluate(photos, "--resume") == 0 and journal.read_text().count("\n") == 13
    assert evaluate(photos, "--overwrite") == 0 and journal.read_text().count("\n") == 12
    assert evaluate(photos, "--resume", "--overwrite") == 2


def test_a_run_that_keeps_its_pictures_fills_only_what_is_missing_when_it_goes_on(photos):
    assert evaluate(photos, "--keep") == 0
    journal = photos.parent / "out" / "records.jsonl"
    before = journal.read_text().count("\n")
    (photos.parent / "out" / "filled" / "telea" / "objects" / "a.png").unlink()
    assert evaluate(photos, "--keep", "--resume") == 0
    assert journal.read_text().count("\n") == before + 1
    assert (photos.parent / "out" / "filled" / "telea" / "objects" / "a.png").is_file()


def test_other_masks_and_seeds_are_not_taken_from_the_journal(photos):
    assert evaluate(photos, masks="objects") == 0
    first = scores_of(results(photos))
    assert evaluate(photos, "--resume", "--seed", "5", masks="objects") == 0
    assert [r["mask"] for r in scores_of(results(photos))] != [r["mask"] for r in first]


def test_what_is_kept_scores_the_same_as_results_of_another_tool(photos):
    assert evaluate(photos, "--keep", out="kept") == 0
    folder = photos.parent / "kept" / "filled" / "telea"
    assert (folder / "objects" / "more" / "c.png").is_file() and (folder.parents[1] / "masks/thin/a.png").is_file()
    assert evaluate(photos, "--results", f"other={folder}", "--baseline", "other", engines="telea") == 0
    found = results(photos)
    by = {e: [r["psnr"] for r in found["records"] if r["engine"] == e] for e in ("telea", "other")}
    assert by["telea"] == by["other"] and len(by["other"]) == 6
    assert all(r["outside_changed"] == 0 and "seconds" not in r for r in found["records"] if r["engine"] == "other")


def test_results_of_another_tool_are_composited_and_their_residual_is_said(photos, tmp_path):
    given = tmp_path / "given"
    (given / "more").mkdir(parents=True)
    for i, name in enumerate(("a.webp", "b.png")):
        spoiled = scene(80, 96, i)
        spoiled[:8] = 255 - spoiled[:8]
        Image.fromarray(spoiled).save(given / name, lossless=True)  # another ending is as good
    Image.fromarray(scene(40, 48)).save(given / "more" / "c.png")
    assert evaluate(photos, "--results", f"mine={given}", masks="objects") == 1
    found = results(photos)
    mine = [r for r in found["records"] if r["engine"] == "mine"]
    assert [r["psnr"] for r in mine] == [100, 100]  # the truth everywhere, once the rest is put back
    assert all(0.05 < r["outside_changed"] < 0.2 and r["outside_mean"] > 0 for r in mine)
    assert "c.png: is 48x40 and the photo 96x80 pixels, they must be equal" in found["failures"][0]["reason"]
    assert "had changed" in (photos.parent / "out" / "report.html").read_text()
    with pytest.raises(PhotoError, match="is not a folder"):
        results_candidates([f"x={tmp_path / 'none'}"], [])
    with pytest.raises(OptionError, match="the name telea is an engine's"):
        results_candidates([f"telea={given}"], ["telea"])


def test_given_masks(photos, tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    mask = np.zeros((80, 96), np.uint8)
    mask[10:30, 10:40] = 255
    Image.fromarray(mask).save(folder / "a.png")
    Image.fromarray(mask[:40]).save(folder / "b.png")
    assert evaluate(photos, "--mask-dir", str(folder), masks=None) == 1
    found = results(photos)
    assert {(r["photo"], r["kind"]) for r in found["records"]} == {("a.png", "given")}
    assert found["records"][0]["area"] == pytest.approx(600 / 7680, abs=1e-6)
    reasons = [f["reason"] for f in found["failures"]]
    assert "b.png: the mask is 96x40 and the photo 96x80 pixels, they must be equal" in reasons[0]
    assert "c: no mask of this name" in reasons[1] and len(reasons) == 2


@pytest.mark.parametrize(("content", "words"), [(0, "the mask is empty"), (255, "covers the whole photo")])
def test_given_masks_that_mark_nothing_or_everything(photos, tmp_path, content, words):
    from inpaint.evaluation.cases import open_given_mask

    Image.fromarray(np.full((80, 96), content, np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(MaskError, match=rf"a\.png: .*{words}"):
        open_given_mask(tmp_path, Path("a.png"), (80, 96), 1024)


def test_bad_photos_are_listed_and_the_rest_is_evaluated(photos, capsys):
    (photos / "bad.jpg").write_text("no picture")
    assert evaluate(photos) == 1
    error = capsys.readouterr().err
    assert "bad.jpg: is not a picture that can be read" in error and "1 of the cases above" in error
    found = results(photos)
    assert len(found["records"]) == 12 and found["failures"][0]["photo"] == "bad.jpg"
    assert "<b>missing:</b> bad.jpg" in (photos.parent / "out" / "report.html").read_text()


def test_an_engine_that_fails_on_one_photo_does_not_end_the_run(photos, monkeypatch, capsys):
    original = Inpainter.fill

    def sometimes(self, photo, *rest, **named):
        if np.array_equal(photo, scene(80, 96, 1)):
            raise RuntimeError("no luck")
        return original(self, photo, *rest, **named)

    monkeypatch.setattr(Inpainter, "fill", sometimes)
    assert evaluate(photos, engines="telea,biharmonic", masks="thick") == 1
    found = results(photos)
    failed = [f for f in found["failures"]]
    assert [(f["photo"], f["engine"], f["reason"]) for f in failed] == [("b.png", "telea", "RuntimeError: no luck")]
    assert sum(r["engine"] == "biharmonic" for r in found["records"]) == 3
    page = (photos.parent / "out" / "report.html").read_text()
    assert "2 of 3 cases" in page and "b.png, thick, telea" in page


@pytest.mark.parametrize(
    ("extra", "code", "words"),
    [
        (["--engines", "telea,magic"], 2, "got 'magic'"),
        (["--masks", "round"], 2, "masks must be among thin"),
        (["--baseline", "network"], 2, "baseline must be among telea, ns"),
        (["--limit", "0"], 2, "limit must be at least 1"),
        (["--seed", "-1"], 2, "seed must be 0 or more"),
        (["--longest", "3"], 2, "longest must be at least 32"),
        (["--threads", "0"], 2, "threads must be between 1 and 1024"),
        (["--models", "none.safetensors"], 1, "none.safetensors: file not found"),
        (["--mask-dir", "none"], 2, "none: is not a folder"),
        (["--photos", "none"], 1, "none: is not a folder"),
        (["--engines", ""], 2, "nothing to compare"),
        (["--masks", ""], 2, "nothing to compare"),
    ],
)
def test_wrong_usage(photos, capsys, extra, code, words):
    assert evaluate(photos, *extra) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ") and words in error and error.count("\n") == 1
    assert not (photos.parent / "out" / "results.json").exists()


def test_no_photos_is_nothing_to_do(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["evaluate", "--photos", str(tmp_path / "empty"), "--output", str(tmp_path / "out")]) == 3
    assert "holds no photos" in capsys.readouterr().err
    assert main(["evaluate", "--output", str(tmp_path / "out")]) == 2
    assert find_photos(Path("docs"))[0] == Path("after.png")


def test_a_missing_package_is_named(photos, capsys, monkeypatch):
    monkeypatch.setattr("inpaint.commands.shared.find_spec", lambda name: None if name == "matplotlib" else name)
    assert evaluate(photos) == 1
    assert "matplotlib is not installed: pip install 'inpaint-dilated[evaluate]'" in capsys.readouterr().err


def test_broken_nets_are_named_and_the_rest_is_measured(photos, tmp_path, capsys):
    (tmp_path / "squeezenet1_1_torchvision_fp16.npz").write_text("no")
    (tmp_path / "lpips_squeeze_v0.1.pth").write_text("no")
    assert evaluate(photos, "--nets", str(tmp_path), masks="thin", engines="telea") == 0
    assert "the SqueezeNet and LPIPS files cannot be read" in capsys.readouterr().err
    assert results(photos)["notes"][0].startswith("LPIPS is left out")


@needs_nets
def test_the_command_measures_lpips(photos, monkeypatch):
    monkeypatch.setenv("INPAINT_NETS", NETS)
    assert evaluate(photos, masks="objects", engines="telea") == 0
    found = results(photos)
    assert found["metrics"][0] == "lpips" and all(0 < r["lpips"] < 0.5 for r in found["records"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "file not found"), ("{", "is not JSON"), ("[]", "is not a results file"), ("{}", "not a results file"),
        ('{"schema": 99}', "has schema 99, this version reads 1"), ('{"schema": 1}', "it has no 'settings'"),
    ],
)  # fmt: skip
def test_damaged_results_files(tmp_path, capsys, text, words):
    if text is not None:
        (tmp_path / "a.json").write_text(text)
    assert main(["evaluate", "compare", str(tmp_path / "a.json"), str(tmp_path / "a.json")]) == 1
    error = capsys.readouterr().err
    assert "a.json: " in error and words in error and error.count("\n") == 1


def test_results_are_lines_of_json(photos):
    assert evaluate(photos, masks="thin") == 0
    text = (photos.parent / "out" / "results.json").read_text()
    assert json.loads(text)["schema"] == 1 and text.count("\n  {") >= 3 + 6 + 2


def test_names_that_are_no_text_are_written(photos):
    first = sorted(photos.glob("*.png"))[0]
    first.rename(photos / os.fsdecode(b"caf\xe9.png"))
    assert evaluate(photos, masks="thin") == 0
    assert os.fsdecode(b"caf\xe9.png") in [r["photo"] for r in results(photos)["records"]]
    assert not list((photos.parent / "out").glob(".*partial"))
