import json

import numpy as np
import pytest

from inpaint.cli import main
from inpaint.errors import InpaintError, OptionError
from inpaint.evaluation.benchmark import BenchmarkSettings, benchmark_text, parse_size, run_task
from inpaint.evaluation.timing import blob_mask, memory, synthetic_photo

TASK = {
    "engine": "telea", "model": "dilated", "weights": None, "device": "cpu", "width": 64, "height": 48, "area": 0.1,
    "photo": None, "repeats": 2, "seed": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The results of a small benchmark."""
    file = tmp_path_factory.mktemp("benchmark") / "b.json"
    sizes = ["--sizes", "80x48", "--engines", "network,biharmonic", "--repeats", "2", "--threads", "1"]
    assert main(["benchmark", *sizes, "--output", str(file)]) == 0
    return json.loads(file.read_text())


def test_every_engine_and_size_is_there_with_the_references(small):
    places = [(r["width"], r["height"], r["engine"]) for r in small["rows"]]
    assert places == [(80, 48, engine) for engine in ("network", "biharmonic", "telea", "ns")]
    assert small["failures"] == [] and small["settings"]["repeats"] == 2
    assert small["machine"]["cores"] >= 1 and small["machine"]["threads"]["torch"] == 1
    assert {"python", "torch", "opencv"} <= small["machine"]["versions"].keys()


def test_seconds_memory_and_ratios(small):
    for row in small["rows"]:
        seconds, runs = row["seconds"], row["runs"]
        assert len(runs) == 2 and seconds["total"] == pytest.approx(np.median(runs), abs=2e-6)
        assert seconds["load"] > 0.1 and seconds["first"] > 0
        assert 50 < row["memory"]["loaded"] <= row["memory"]["peak"] + 1
        assert row["ratio"].keys() == {"telea", "ns"} and min(row["ratio"].values()) > 0
        assert row["used"] == row["engine"] and 0.05 < row["hole"] < 0.2
    network = next(r for r in small["rows"] if r["engine"] == "network")
    assert {"windows", "structure", "blend"} <= network["seconds"].keys() and network["ratio"]["telea"] > 1


def test_the_table_shows_every_row(small):
    lines = benchmark_text(small).splitlines()
    assert len(lines) == 2 + len(small["rows"]) and lines[1].split()[:5] == ["size", "engine", "load", "first", "total"]
    assert lines[2].startswith("80x48  network") and f"{small['rows'][0]['memory']['peak']:.0f}" in lines[2]


def test_peak_memory_is_of_the_engines_process_alone():
    ballast = np.ones((600, 1 << 20), np.uint8)  # 600 MiB here must not count there
    assert memory()["peak"] > 600
    assert run_task(TASK, 1)["memory"]["peak"] < 600
    del ballast


def test_a_failed_process_is_said(monkeypatch):
    with pytest.raises(InpaintError, match=r"telea at 64x48: model must be one of dilated.*got 'none'"):
        run_task({**TASK, "model": "none"}, 1)
    import subprocess

    killed = subprocess.CompletedProcess([], -9, "", "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: killed)
    with pytest.raises(InpaintError, match="telea at 64x48: was ended by signal 9"):
        run_task(TASK, None)


def test_one_failure_leaves_the_others(capsys, monkeypatch):
    def sometimes(task, _):
        if task["engine"] == "ns":
            raise InpaintError("ns at 64x64: no luck")
        return {"seconds": {"load": 1, "first": 1, "total": 1}, "cpu": 1, "memory": {"loaded": 1, "peak": 2},
                "ratio": {"telea": 1, "ns": 1}, "machine": {}}  # fmt: skip

    monkeypatch.setattr("inpaint.evaluation.benchmark.run_task", sometimes)
    assert main(["benchmark", "--sizes", "64", "--engines", "patch", "--json"]) == 1
    shown = capsys.readouterr()
    assert [r["engine"] for r in json.loads(shown.out)["rows"]] == ["patch", "telea"]
    assert "error: ns at 64x64: no luck" in shown.err and "1 of the processes failed" in shown.err


def test_sizes():
    assert parse_size("512") == (512, 512) and parse_size("6000x4000") == (6000, 4000)
    for text in ("x", "512x", "8", "64x8", "-5"):
        with pytest.raises(OptionError, match="a size is pixels"):
            parse_size(text)


@pytest.mark.parametrize("area", [0.01, 0.1, 0.3])
def test_the_hole_has_the_area_asked_for(area):
    assert blob_mask(400, 600, area).mean() == pytest.approx(area, rel=0.1)
    assert np.array_equal(blob_mask(60, 80, area, 3), blob_mask(60, 80, area, 3))


def test_the_scene_is_seeded_and_not_flat():
    a = synthetic_photo(120, 90, 1)
    assert a.shape == (120, 90, 3) and a.dtype == np.uint8 and a.std() > 30
    assert np.array_equal(a, synthetic_photo(120, 90, 1)) and not np.array_equal(a, synthetic_photo(120, 90, 2))


@pytest.mark.parametrize(
    ("extra", "code", "words"),
    [
        (["--engines", "magic"], 2, "got 'magic'"), (["--sizes", "big"], 2, "a size is pixels"),
        (["--area", "0.9"], 2, "area must be above 0"), (["--repeats", "0"], 2, "repeats must be at least 1"),
        (["--threads", "0"], 2, "threads must be between 1 and 1024"), (["--sizes", ""], 3, "no size is named"),
        (["--photo", "none.png"], 1, "none.png: file not found"), (["--output", "README.md"], 1, "exists already"),
        (["--seed", "-1"], 2, "seed must be 0 or more"),
    ],
)  # fmt: skip
def test_wrong_usage(capsys, extra, code, words):
    assert main(["benchmark", *extra]) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ") and words in error and error.count("\n") == 1


def test_settings_refuse_nonsense():
    with pytest.raises(OptionError, match="area"):
        BenchmarkSettings(["telea"], [(64, 64)], area=0)
