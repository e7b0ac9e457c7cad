"""The tables in both READMEs, docs/evaluation.md and the model card, made from the committed results files.

`python -m inpaint.evaluation.table` rewrites what stands between the markers; `--check` only says whether it is true.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inpaint.errors import InpaintError
from inpaint.evaluation.metrics import METRICS
from inpaint.evaluation.results import read_results, write_text
from inpaint.evaluation.summary import CLASSICAL, LEVEL, classical_ratios
from inpaint.evaluation.text import interval, shown_kinds
from inpaint.models.weights import default_weights
from inpaint.options import DEFAULT_MODEL

START, END = "<!-- results:start -->", "<!-- results:end -->"
RESULTS, BENCHMARK = Path("docs/results.json"), Path("docs/benchmark.json")
CARD = Path("weights/README.md")
PAGES = (Path("README.md"), Path("README.zh-CN.md"), Path("docs/evaluation.md"), CARD)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _weights_line(results: dict[str, Any]) -> str:
    used = {about["model"]: about for about in results["engines"].values() if "sha256" in about}
    parts = []
    for name, about in used.items():
        shipped = default_weights(name) if name == DEFAULT_MODEL else None
        same = shipped and hashlib.sha256(shipped.read_bytes()).hexdigest() == about["sha256"]
        note = "the shipped ones" if same else "**not the shipped ones**"
        parts.append(f"weights `{about['sha256'][:12]}`, {note}")
    return "; ".join(parts)


def quality_table(results: dict[str, Any], metric: str = "lpips") -> str:
    """Means of a metric per candidate and kind as Markdown, lowest in bold, and `auto` against the best classical."""
    kinds = shown_kinds(results)
    means: dict[tuple[str, str], float] = {}
    for row in results["summary"]:
        if row["bin"] is None and metric in row:
            means[row["engine"], row["kind"]] = row[metric]["mean"]
    engines = [engine for engine in results["engines"] if (engine, kinds[-1]) in means]
    lines = [_row(["engine", *kinds]), _row(["---", *["---:"] * len(kinds)])]
    for engine in engines:
        cells = [engine]
        for kind in kinds:
            column = [means[e, kind] for e in engines if (e, kind) in means]
            text = f"{means[engine, kind]:.{METRICS[metric].digits}f}" if (engine, kind) in means else "-"
            cells.append(f"**{text}**" if means.get((engine, kind)) == min(column) else text)
        lines.append(_row(cells))
    ratios = classical_ratios(results["summary"], metric).get("auto")
    if ratios:
        classical = ", ".join(e for e in engines if e in CLASSICAL)
        cells = [f"{ratios[k]:.2f}" if k in ratios else "-" for k in kinds]
        lines.append(_row([f"auto / best of {classical}", *cells]))
    return "\n".join(lines)


def interval_table(results: dict[str, Any], metric: str = "lpips") -> str:
    """Means of a metric with their intervals per kind and candidate as Markdown."""
    whole = [row for row in results["summary"] if row["bin"] is None and metric in row]
    rows = {(row["engine"], row["kind"]): row[metric] for row in whole}
    lines = [_row(["masks", *results["engines"]]), _row(["---", *["---:"] * len(results["engines"])])]
    for kind in shown_kinds(results):
        cells = [kind]
        for engine in results["engines"]:
            value = rows.get((engine, kind))
            cells.append("-" if value is None else interval(value, METRICS[metric].digits))
        lines.append(_row(cells))
    return "\n".join(lines)


def speed_table(benchmark: dict[str, Any]) -> str:
    """Median seconds, ratio to Telea and peak memory per engine and size as Markdown."""
    sizes = list(dict.fromkeys((row["width"], row["height"]) for row in benchmark["rows"]))
    names = [f"{w} px" if w == h else f"{w}x{h} px" for w, h in sizes]
    lines = [_row(["engine", *names]), _row(["---", *["---:"] * len(sizes)])]
    for engine in dict.fromkeys(row["engine"] for row in benchmark["rows"]):
        cells = [engine]
        own = {(r["width"], r["height"]): r for r in benchmark["rows"] if r["engine"] == engine}
        for row in (own.get(size) for size in sizes):
            text = "-"
            if row:
                seconds, ratio, peak = row["seconds"]["total"], row["ratio"]["telea"], row["memory"]["peak"]
                text = f"{seconds:.2f} s, {ratio:.1f}x, {peak:.0f} MiB"
            cells.append(text)
        lines.append(_row(cells))
    return "\n".join(lines)


def _quality_text(results: dict[str, Any]) -> str:
    """One sentence on what the quality figures are of."""
    photos, settings = results["photos"], results["settings"]
    sides = [max(p["width"], p["height"]) for p in photos]
    side = f"{min(sides)}" if min(sides) == max(sides) else f"{min(sides)}-{max(sides)}"
    return (
        f"LPIPS (squeeze v0.1, whole photo after compositing, lower is better): means over {len(photos)} photos of "
        f"{side} px that were never trained on, masks of seed {settings['seed']}, all engines in one run on "
        f"{results['date']}; {_weights_line(results)}."
    )


def build_card(results: dict[str, Any]) -> str:
    """Everything between the markers of the model card."""
    text = f"{_quality_text(results)} In brackets the {LEVEL} % bootstrap interval over photos."
    return f"{text}\n\n{interval_table(results)}"


def build_block(results: dict[str, Any], benchmark: dict[str, Any]) -> str:
    """Everything between the markers of the other pages."""
    machine = benchmark["machine"]
    threads = machine["threads"]["torch"]
    speed = (
        f"Fills of a hole of {benchmark['settings']['area']:.0%}, median of {benchmark['settings']['repeats']} in a "
        f"process of its own, time against Telea's within the same seconds, and the process's peak memory "
        f"({machine['processor']}, {threads} {'thread' if threads == 1 else 'threads'}, load {machine['load']}, "
        f"{benchmark['date']}):"
    )
    return f"{_quality_text(results)}\n\n{quality_table(results)}\n\n{speed}\n\n{speed_table(benchmark)}"


def replace_block(page: str, block: str) -> str:
    """A page with the text between its markers replaced; raises InpaintError where it has no markers."""
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise InpaintError(f"no markers {START} and {END} in the page")
    return f"{before}{START}\n{block}\n{END}{after}"


def outdated_pages(root: Path, pages: Sequence[Path] = PAGES, write: bool = False) -> list[Path]:
    """Pages whose block is not what the results files say; `write` brings them up to date.

    Raises:
        InpaintError: a results file cannot be read or is not of a whole run with LPIPS, or a page lacks the markers.
    """
    results = read_results(root / RESULTS)
    if "lpips" not in results["metrics"] or results["failures"]:
        missing = f"{len(results['failures'])} cases failed" if results["failures"] else "LPIPS was left out"
        raise InpaintError(f"{root / RESULTS}: is not of a whole evaluation ({missing})")
    block = build_block(results, json.loads((root / BENCHMARK).read_text(encoding="utf-8")))
    outdated = []
    for name in pages:
        page = (root / name).read_text(encoding="utf-8")
        try:
            fresh = replace_block(page, build_card(results) if name == CARD else block)
        except InpaintError as error:
            raise InpaintError(f"{name}: {error}") from None
        if fresh != page:
            outdated.append(name)
            if write:
                write_text(root / name, fresh)
    return outdated


def main() -> int:
    """Rewrite or check the pages of the repository that is the working folder."""
    parser = argparse.ArgumentParser(prog="python -m inpaint.evaluation.table", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if a page is out of date")
    args = parser.parse_args()
    try:
        outdated = outdated_pages(Path(), write=not args.check)
    except InpaintError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for page in outdated:
        print(f"{page}: {'is out of date' if args.check else 'brought up to date'}")
    return 1 if args.check and outdated else 0


if __name__ == "__main__":
    sys.exit(main())
