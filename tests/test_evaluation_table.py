import copy
import json
from pathlib import Path

import pytest

from inpaint.errors import InpaintError
from inpaint.evaluation.table import (
    BENCHMARK,
    CARD,
    END,
    RESULTS,
    START,
    interval_table,
    outdated_pages,
    quality_table,
    replace_block,
    speed_table,
)

ROOT = Path(__file__).parent.parent


def test_the_page_on_evaluation_is_up_to_date():
    pages = [Path("docs/evaluation.md")]
    assert not outdated_pages(ROOT, pages), "run: python -m inpaint.evaluation.table"


def test_the_readme_is_up_to_date():
    if START not in (ROOT / "README.md").read_text(encoding="utf-8"):
        pytest.skip(f"README.md has no {START} yet")
    pages = [Path("README.md"), Path("README.zh-CN.md")]
    assert not outdated_pages(ROOT, pages), "run: python -m inpaint.evaluation.table"


def test_the_model_card_is_up_to_date():
    assert not outdated_pages(ROOT, [CARD]), "run: python -m inpaint.evaluation.table"


def cell(engine, kind, value):
    between = {"mean": value, "low": value / 2, "high": 2 * value}
    return {"kind": kind, "bin": None, "engine": engine, "lpips": between}


def results():
    values = {("auto", "thin"): 0.01, ("telea", "thin"): 0.02, ("ns", "thin"): 0.03}
    values |= {("auto", "objects"): 0.09, ("telea", "objects"): 0.08, ("ns", "objects"): 0.06}
    rows = [cell(engine, kind, value) for (engine, kind), value in values.items()]
    rows += [cell(engine, "all", 0.05) for engine in ("auto", "telea", "ns")]
    return {"settings": {"kinds": ["thin", "objects"]}, "engines": {"auto": {}, "telea": {}, "ns": {}}, "summary": rows}


def test_the_best_is_bold_and_auto_is_set_against_the_best_classic():
    assert quality_table(results()).splitlines() == [
        "| engine | thin | objects | all |", "| --- | ---: | ---: | ---: |",
        "| auto | **0.0100** | 0.0900 | **0.0500** |",
        "| telea | 0.0200 | 0.0800 | **0.0500** |", "| ns | 0.0300 | **0.0600** | **0.0500** |",
        "| auto / best of telea, ns | 0.50 | 1.50 | 1.00 |",
    ]  # fmt: skip


def test_intervals():
    found = results()
    found["summary"] = [row for row in found["summary"] if (row["engine"], row["kind"]) != ("ns", "objects")]
    assert interval_table(found).splitlines() == [
        "| masks | auto | telea | ns |", "| --- | ---: | ---: | ---: |",
        "| thin | 0.0100 [0.0050, 0.0200] | 0.0200 [0.0100, 0.0400] | 0.0300 [0.0150, 0.0600] |",
        "| objects | 0.0900 [0.0450, 0.1800] | 0.0800 [0.0400, 0.1600] | - |",
        "| all | 0.0500 [0.0250, 0.1000] | 0.0500 [0.0250, 0.1000] | 0.0500 [0.0250, 0.1000] |",
    ]  # fmt: skip


def test_speed():
    row = {"width": 64, "height": 48, "engine": "ns", "seconds": {"total": 0.5}, "ratio": {"telea": 2},
           "memory": {"peak": 300.4}}  # fmt: skip
    other = {**copy.deepcopy(row), "width": 48, "engine": "auto"}
    assert speed_table({"rows": [row, other]}).splitlines()[2:] == [
        "| ns | 0.50 s, 2.0x, 300 MiB | - |", "| auto | - | 0.50 s, 2.0x, 300 MiB |",
    ]  # fmt: skip


def test_only_what_stands_between_the_markers_changes():
    assert replace_block(f"a\n{START}\nold\n{END}\nb", "new") == f"a\n{START}\nnew\n{END}\nb"
    with pytest.raises(InpaintError, match="no markers"):
        replace_block("a", "new")


def write_pages(folder):
    (folder / "docs").mkdir()
    for name in ("docs/results.json", "docs/benchmark.json"):
        (folder / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    for name in ("README.md", "README.zh-CN.md"):
        (folder / name).write_text(f"x\n{START}\n{END}\n", encoding="utf-8")
    (folder / "docs" / "evaluation.md").write_text("no markers", encoding="utf-8")


def test_an_outdated_page_is_found_and_brought_up_to_date(tmp_path):
    write_pages(tmp_path)
    readme = [Path("README.md")]
    assert outdated_pages(tmp_path, readme) == readme and START + "\n" + END in (tmp_path / "README.md").read_text()
    assert outdated_pages(tmp_path, readme, write=True) == readme and outdated_pages(tmp_path, readme) == []
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "| auto | " in page and "LPIPS" in page
    (tmp_path / "README.md").write_text(page.replace("| auto | ", "| auto | 9"), encoding="utf-8")
    assert outdated_pages(tmp_path, readme) == readme
    with pytest.raises(InpaintError, match=r"evaluation\.md: no markers"):
        outdated_pages(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"metrics": ["psnr"]}, "LPIPS was left out"), ({"failures": [{"photo": "a"}]}, "1 cases failed")],
)
def test_results_that_are_not_whole_change_no_page(tmp_path, change, words):
    (tmp_path / "docs").mkdir()
    whole = json.loads((ROOT / RESULTS).read_text(encoding="utf-8"))
    (tmp_path / RESULTS).write_text(json.dumps({**whole, **change}), encoding="utf-8")
    (tmp_path / BENCHMARK).write_text((ROOT / BENCHMARK).read_text(encoding="utf-8"), encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(f"{START}\nbefore\n{END}\n")
    with pytest.raises(InpaintError, match=f"is not of a whole evaluation .{words}"):
        outdated_pages(tmp_path, [Path("page.md")], write=True)
    assert "before" in page.read_text()
