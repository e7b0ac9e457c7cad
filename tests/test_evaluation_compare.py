import copy
import json

import pytest

from inpaint.cli import main
from inpaint.errors import InpaintError, OptionError
from inpaint.evaluation.compare import changes_text, compare, regressions
from inpaint.evaluation.results import SCHEMA


def results(shift=0.0, noise=0.0, engines=("auto", "telea"), lpips=True):
    """Twelve photos, two kinds; `shift` is added to what `auto` scores, `noise` with a sign that changes."""
    records = []
    for i in range(12):
        for kind in ("thin", "objects"):
            for engine in engines:
                change = (shift + noise * (-1) ** i) * (engine == "auto")
                values = {"l1": 0.1 + 0.005 * i + change, "psnr": 30 - 100 * change, "ssim": 0.9, "seconds": 1.0 + i}
                values |= {"lpips": 0.05 + 0.002 * i + change} if lpips else {}
                records.append({"photo": f"{i}.png", "kind": kind, "engine": engine, "mask": f"{i}{kind}", **values})
    metrics = ["lpips"] * lpips + ["psnr", "ssim", "l1", "seconds"]
    return {
        "schema": SCHEMA, "settings": {"kinds": ["thin", "objects"]}, "metrics": metrics,
        "photos": [{"name": f"{i}.png", "checksum": str(i)} for i in range(12)],
        "engines": {engine: {} for engine in engines}, "records": records, "summary": [], "failures": [],
    }  # fmt: skip


def run(tmp_path, first, second, *extra):
    for name, value in (("a.json", first), ("b.json", second)):
        (tmp_path / name).write_text(json.dumps(value))
    return main(["evaluate", "compare", str(tmp_path / "a.json"), str(tmp_path / "b.json"), *extra])


def find(changes, engine, kind, metric):
    return next(c for c in changes if (c.engine, c.kind, c.metric) == (engine, kind, metric))


def test_a_file_against_itself_did_not_change(tmp_path, capsys):
    assert run(tmp_path, results(), results()) == 0
    text = capsys.readouterr().out
    assert "better" not in text and "worse" not in text and "REGRESSED" not in text


def test_worse_is_a_regression_and_exit_code_1(tmp_path, capsys):
    assert run(tmp_path, results(), results(shift=0.01)) == 1
    shown = capsys.readouterr()
    assert "REGRESSED" in shown.out
    wanted = ", ".join(f"LPIPS of auto on {kind}" for kind in ("thin", "objects", "all"))
    assert shown.err.endswith(f"b.json: regressed beyond its interval: {wanted}\n") and "telea" not in shown.err


def test_better_is_none(tmp_path, capsys):
    assert run(tmp_path, results(), results(shift=-0.01)) == 0
    assert "better" in capsys.readouterr().out


def test_values_and_intervals():
    change = find(compare(results(), results(shift=0.01, noise=0.004), [], [], 0), "auto", "thin", "lpips")
    assert change.first == pytest.approx(0.061) and change.second == pytest.approx(0.071)
    assert change.difference["mean"] == pytest.approx(0.01) and change.difference["cases"] == 12
    assert 0.006 <= change.difference["low"] < 0.01 < change.difference["high"] <= 0.014
    assert change.verdict == "worse" and change.regressed


def test_noise_within_the_interval_is_no_regression():
    changes = compare(results(), results(shift=0.001, noise=0.05), [], [], 0)
    assert find(changes, "auto", "all", "lpips").verdict == "same" and regressions(changes) is None


def test_tolerance_must_be_exceeded_too(tmp_path):
    assert run(tmp_path, results(), results(shift=0.001), "--tolerance", "0.05") == 0
    assert run(tmp_path, results(), results(shift=0.001), "--tolerance", "0.001") == 1
    assert run(tmp_path, results(), results(), "--tolerance", "1.5") == 2


def test_the_chosen_metric_decides():
    second = results(shift=0.01)
    assert regressions(compare(results(), second, ["ssim"], [], 0)) is None
    assert "PSNR (dB) of auto on thin" in (regressions(compare(results(), second, ["psnr"], [], 0)) or "")
    assert "L1 in the hole of auto" in (regressions(compare(results(lpips=False), second, [], [], 0)) or "")
    with pytest.raises(OptionError, match="metric must be among psnr, ssim, l1, seconds"):
        compare(results(lpips=False), second, ["lpips"], [], 0)
    metrics = {c.metric for c in compare(results(), second, [], [], 0)}
    assert "seconds" not in metrics  # of two runs, perhaps on two machines
    assert "seconds" in {c.metric for c in compare(results(), second, ["seconds"], [], 0)}


def test_only_named_engines_and_common_cases():
    first, second = results(), results(shift=0.01, engines=("auto", "ns"))
    assert {c.engine for c in compare(first, second, [], [], 0)} == {"auto"}
    assert regressions(compare(results(), results(shift=0.01), [], ["telea"], 0)) is None
    with pytest.raises(OptionError, match=r"engines must be among auto \(in both files\), got 'ns'"):
        compare(first, second, [], ["ns"], 0)
    second["records"] = [r for r in second["records"] if r["photo"] in ("3.png", "4.png")]
    assert find(compare(first, second, [], [], 0), "auto", "all", "lpips").difference["cases"] == 4
    with pytest.raises(InpaintError, match="no engine and case in common"):
        compare(first, results(engines=("ns",)), [], [], 0)


def test_other_masks_or_photos_are_refused(tmp_path, capsys):
    masks = results()
    masks["records"][0]["mask"] = "other"
    assert run(tmp_path, results(), masks) == 1
    assert "0.png: its thin mask is not the same in both files" in capsys.readouterr().err
    photos = copy.deepcopy(results())
    photos["photos"][2]["checksum"] = "other"
    assert run(tmp_path, results(), photos) == 1
    assert "2.png: is not the same photo in both files" in capsys.readouterr().err


def test_json_for_machines(tmp_path, capsys):
    assert run(tmp_path, results(), results(shift=0.01), "--json", "--engines", "auto") == 1
    changes = json.loads(capsys.readouterr().out)
    assert len(changes) == 3 * 4 and {c["engine"] for c in changes} == {"auto"}
    assert {c["verdict"] for c in changes if c["metric"] == "lpips"} == {"worse"}


def test_one_photo_has_no_interval():
    first, second = results(), results(shift=0.01)
    second["records"] = [r for r in second["records"] if r["photo"] == "3.png"]
    changes = compare(first, second, [], [], 0)
    assert regressions(changes) is None and "[" not in changes_text(changes).split("\n", 1)[1]
