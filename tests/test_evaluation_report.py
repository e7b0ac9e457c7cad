import re
import shutil

import numpy as np
import pytest
from PIL import Image

from inpaint.cli import main
from inpaint.evaluation.evaluate import preview_path
from inpaint.evaluation.grids import focus_of, shown_cases
from inpaint.evaluation.report import build_report
from inpaint.evaluation.results import read_results
from tests.conftest import scene

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """The output folder of an evaluation of four photos."""
    folder = tmp_path_factory.mktemp("report")
    for i in range(4):
        Image.fromarray(scene(80, 96, i)).save(folder / f"photo <{i}>.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("INPAINT_NETS", raising=False)
        names = ["--engines", "ns,telea,biharmonic", "--masks", "thin,objects"]
        assert main(["evaluate", "--photos", str(folder), "--output", str(folder / "out"), *names]) == 0
    return folder / "out"


def test_the_report_is_one_file(output):
    page = (output / "report.html").read_text()
    sources = re.findall(r"(?:src|href)='?([^' >]{0,30})", page)
    assert sources and all(s.startswith(("data:image/png;base64,", "data:image/jpeg;base64,")) for s in sources)
    assert "http" not in page.replace("http-equiv", "") and "<script" not in page
    assert "photo &lt;0&gt;.png" in page and "photo <0>.png" not in page


def test_means_of_the_results_stand_in_the_tables(output):
    results, page = read_results(output / "results.json"), (output / "report.html").read_text()
    for row in results["summary"]:
        assert f"{row['psnr']['mean']:.2f}" in page or row["bin"] is not None
        if row["engine"] == "ns" and row["bin"] is None:
            assert f"{row['l1']['against_baseline']['mean']:+.4f}" in page


def test_worst_median_and_best_come_first(output):
    results = read_results(output / "results.json")
    assert focus_of(results) == "ns" and results["settings"]["baseline"] == "telea"
    shown = [c for c in shown_cases(results) if " of 4 for ns" in c.reason]
    assert [c.reason.split(" of ")[0] for c in shown] == [
        f"{kind}: {name}" for kind in ("thin", "objects") for name in ("worst", "median", "best")
    ]
    for kind in ("thin", "objects"):
        values = [c.records["ns"]["l1"] for c in shown if c.kind == kind]
        every = [r["l1"] for r in results["records"] if r["kind"] == kind and r["engine"] == "ns"]
        assert values == sorted(values, reverse=True) and values[0] == max(every) and values[2] == min(every)


def test_losses_to_the_baseline_are_the_largest(output):
    results = read_results(output / "results.json")
    losses = [c for c in shown_cases(results) if "loses to telea" in c.reason]
    by = {(r["photo"], r["kind"], r["engine"]): r["l1"] for r in results["records"]}
    every = [v - by[photo, kind, "telea"] for (photo, kind, engine), v in by.items() if engine == "ns"]
    found = [c.records["ns"]["l1"] - c.records["telea"]["l1"] for c in losses]
    assert found == pytest.approx(sorted((v for v in every if v > 0), reverse=True)[:3])


def test_what_is_missing_is_marked(output):
    results = read_results(output / "results.json")
    lost = shown_cases(results)[-1]
    results["records"] = [r for r in results["records"] if r["engine"] != "biharmonic" or r["photo"] != lost.photo]
    results["summary"] = [r for r in results["summary"] if r["engine"] != "biharmonic" or r["kind"] != "thin"]
    results["failures"] = [{"photo": lost.photo, "kind": None, "engine": "biharmonic", "reason": "a <reason>"}]
    page = build_report(results, output)
    assert "biharmonic: a &lt;reason&gt;" in page and "<td class=missing>missing</td>" in page
    assert page.count("<div class=none>missing</div>") >= 1


def test_previews_show_hole_and_truth(output):
    hole, truth = (
        np.array(Image.open(preview_path(output, "photo <0>.png", "objects", label))) for label in (".hole", ".truth")
    )
    pink = (np.abs(hole.astype(int) - (255, 0, 128)) < 60).all(axis=2)
    assert pink.mean() > 0.01 and np.abs(truth.astype(int) - scene(80, 96, 0)).mean() < 8


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_browser_shows_the_report(output, tmp_path):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        problems = []
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url) if request.url.startswith("http") else None)
        page.goto((output / "report.html").as_uri())
        page.screenshot(path=tmp_path / "report.png", full_page=True)
        broken = page.evaluate("[...document.images].filter(i => !i.complete || i.naturalWidth == 0).length")
        images = page.evaluate("document.images.length")
        widest = page.evaluate("document.documentElement.scrollWidth")
        size = page.evaluate("[...document.querySelectorAll('.plots img')].map(i => i.getBoundingClientRect().top)")
        browser.close()
    assert not problems and broken == 0 and images >= 2 + 6 * 5
    assert widest <= 1400 and len(set(size)) == 1  # nothing sticks out, the plots stand side by side
    shot = np.array(Image.open(tmp_path / "report.png").convert("RGB"))
    assert shot.shape[0] > 1500 and shot.std() > 20
