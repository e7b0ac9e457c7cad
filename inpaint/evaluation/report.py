"""`report.html`: one self-contained file with the tables, plots and picture grids of an evaluation."""

import base64
from html import escape
from pathlib import Path
from typing import Any

from inpaint.evaluation.evaluate import HOLE, TRUTH, preview_path
from inpaint.evaluation.grids import ShownCase, focus_of, shown_cases
from inpaint.evaluation.metrics import METRICS
from inpaint.evaluation.plots import plot_against_area, plot_against_time
from inpaint.evaluation.summary import LEVEL, classical_ratios, verdict
from inpaint.evaluation.text import interval, primary_metric, shown_kinds

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2430; background: #fff; margin: 2rem auto; max-width: 1500px;
  padding: 0 1.5rem; }
h1 { font-size: 1.7rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; }
p { max-width: 62rem; margin: .4rem 0; } .quiet, small { color: #5b6675; } small { font-size: .78rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid #e3e8ee; text-align: right; vertical-align: top;
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } thead th { border-bottom: 2px solid #b9c3cf; }
td small { display: block; font-weight: 400; } .best { font-weight: 700; }
.better { background: #e3f4e8; } .worse { background: #fbe5e3; } .missing { background: #fff2cc; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; } .plots img { max-width: 100%; width: 640px; }
figure { margin: 1.2rem 0; } figcaption { font-weight: 600; margin-bottom: .3rem; }
.row { display: flex; flex-wrap: wrap; gap: .5rem; } .row div { flex: 1 0 130px; max-width: 320px; }
.row img { width: 100%; display: block; border-radius: 3px; } .row img:hover { position: relative; z-index: 1;
  transform: scale(2.2); } .row div:first-child img { transform-origin: left; }
.row div:last-child img { transform-origin: right; } .row .none { background: #fff2cc; padding: 1rem .5rem; }
.warning { background: #fff2cc; padding: .6rem 1rem; border-radius: 4px; } .warning li { overflow-wrap: anywhere; }
"""


def _inline(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _table(head: list[str], rows: list[str]) -> str:
    cells = "".join(f"<th>{escape(h)}</th>" for h in head)
    return f"<div class=wide><table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"


def _number(value: dict[str, Any], digits: int, sign: str = "") -> str:
    mean, _, limits = interval(value, digits, sign).partition(" ")
    return f"{mean}<small>{limits}</small>"


def _best(rows: list[dict[str, Any]], metric: str) -> float | None:
    means = [r[metric]["mean"] for r in rows if metric in r]
    return (max if METRICS[metric].higher_is_better else min)(means) if means else None


def _columns(results: dict[str, Any], bins: bool) -> list[tuple[str, list[dict[str, Any]]]]:
    """Title and rows of each column of a table: mask kinds and all of them, or area bins."""
    summary = results["summary"]
    if bins:
        groups = [(f"{n * 10}-{n * 10 + 10} %", [r for r in summary if r["bin"] == n]) for n in range(10)]
    else:
        groups = [(k, [r for r in summary if r["kind"] == k and r["bin"] is None]) for k in shown_kinds(results)]
    return [(title, rows) for title, rows in groups if rows]


def _means(results: dict[str, Any], metric: str, bins: bool = False) -> str:
    columns, rows = _columns(results, bins), []
    digits = METRICS[metric].digits
    most = {title: max(r["cases"] for r in column) for title, column in columns}
    for engine in results["engines"]:
        cells = [f"<td>{escape(engine)}</td>"]
        for title, column in columns:
            row = next((r for r in column if r["engine"] == engine), None)
            if row is None or metric not in row:
                cells.append("<td class=missing>missing</td>" if metric != "seconds" else "<td>-</td>")
                continue
            short = f"<small>{row['cases']} of {most[title]} cases</small>" if row["cases"] < most[title] else ""
            names = ["best"] if row[metric]["mean"] == _best(column, metric) else []
            names += ["missing"] if short else []
            cells.append(f"<td class='{' '.join(names)}'>{_number(row[metric], digits)}{short}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return _table(["engine", *(f"{title} ({most[title]})" for title, _ in columns)], rows)


def _differences(results: dict[str, Any], metric: str) -> str:
    columns, rows = _columns(results, False), []
    for engine in results["engines"]:
        if engine == results["settings"]["baseline"]:
            continue
        cells = [f"<td>{escape(engine)}</td>"]
        for _, column in columns:
            row = next((r for r in column if r["engine"] == engine), {})
            value = row.get(metric, {}).get("against_baseline")
            if value is None:
                cells.append("<td class=missing>missing</td>")
                continue
            name = verdict(value, metric)
            cells.append(f"<td class={name}>{_number(value, METRICS[metric].digits, '+')}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return _table(["engine", *(title for title, _ in columns)], rows)


def _ratios(results: dict[str, Any], metric: str) -> str:
    kinds, rows = shown_kinds(results), []
    for engine, ratios in classical_ratios(results["summary"], metric).items():
        cells = "".join(f"<td>{ratios[kind]:.2f}</td>" if kind in ratios else "<td>-</td>" for kind in kinds)
        rows.append(f"<tr><td>{escape(engine)}</td>{cells}</tr>")
    if not rows:
        return ""
    return f"<h2>{METRICS[metric].title} / the best classical engine's</h2>{_table(['engine', *kinds], rows)}"


def _picture(folder: Path, case: ShownCase, label: str, caption: str) -> str:
    try:
        data = preview_path(folder, case.photo, case.kind, label).read_bytes()
    except OSError:
        return f"<div><div class=none>missing</div><small>{escape(caption)}</small></div>"
    return f"<div><img alt='{escape(caption)}' src='{_inline(data, 'jpeg')}'><small>{escape(caption)}</small></div>"


def _grid(folder: Path, case: ShownCase, results: dict[str, Any], metric: str) -> str:
    area = next(iter(case.records.values()))["area"]
    parts = [_picture(folder, case, HOLE, f"hole, {area:.1%}")]
    for label in results["engines"]:
        record = case.records.get(label)
        text = f"{record[metric]:.{METRICS[metric].digits}f}" if record else "missing"
        used = record.get("used", "") if record else ""
        used = "" if used in ("", label.split("@")[0]) else f" ({used})"
        parts.append(_picture(folder, case, label if record else ".missing", f"{label}{used} {text}"))
    parts.append(_picture(folder, case, TRUTH, "truth"))
    caption = f"{escape(case.reason)} <small>{escape(case.photo)}, {escape(case.kind)}</small>"
    return f"<figure><figcaption>{caption}</figcaption><div class=row>{''.join(parts)}</div></figure>"


def _problems(results: dict[str, Any]) -> str:
    lines = [f"<li>{escape(note)}</li>" for note in results["notes"]]
    for failure in results["failures"]:
        place = ", ".join(str(failure[k]) for k in ("photo", "kind", "engine") if failure[k])
        lines.append(f"<li><b>missing:</b> {escape(place)}: {escape(str(failure['reason']))}</li>")
    for label, share in _outside(results).items():
        text = f"{label} had changed {share:.2%} of the pixels outside the mask; they were put back before scoring."
        lines.append(f"<li>{escape(text)}</li>")
    return f"<div class=warning><ul>{''.join(lines)}</ul></div>" if lines else ""


def _outside(results: dict[str, Any]) -> dict[str, float]:
    """Mean share of known pixels that each results folder had changed."""
    shares: dict[str, list[float]] = {}
    for record in results["records"]:
        if record.get("outside_changed"):
            shares.setdefault(record["engine"], []).append(record["outside_changed"])
    return {label: sum(values) / len(values) for label, values in shares.items()}


def _facts(results: dict[str, Any]) -> str:
    settings, machine = results["settings"], results["machine"]
    lines = [
        f"{len(results['photos'])} of {settings['photos_found']} photos, masks {', '.join(settings['kinds'])}, "
        f"seed {settings['seed']}, {len(results['records'])} fills, inpaint {results['inpaint']}, {results['date']}",
        f"{machine['processor']}, {machine['cores']} cores, torch threads {machine['threads']['torch']}, "
        f"torch {machine['versions']['torch']}"
        + (f", {machine['accelerator']}" if machine["accelerator"] else ""),
    ]
    for label, about in results["engines"].items():
        if "sha256" in about:
            size = f"{about['parameters']:,} parameters"
            lines.append(f"{label}: {about['weights']}, {size}, sha256 {about['sha256'][:12]}")
    return "".join(f"<p class=quiet>{escape(line)}</p>" for line in lines)


def build_report(results: dict[str, Any], folder: Path) -> str:
    """The report as one HTML text.

    Args:
        results: as in `results.json`.
        folder: the output folder, which holds the small pictures.
    """
    metric, baseline, focus = primary_metric(results), results["settings"]["baseline"], focus_of(results)
    engines, metrics = list(results["engines"]), results["metrics"]
    body = [f"<h1>Evaluation</h1>{_facts(results)}{_problems(results)}"]
    if metrics:
        body.append(
            f"<p>Means over photos after compositing, with {LEVEL} % bootstrap intervals; the best is bold, "
            "cases are in brackets.</p>"
        )
        for name in metrics:
            better = "higher" if METRICS[name].higher_is_better else "lower"
            body.append(f"<h2>{METRICS[name].title} by masks, {better} is better</h2>{_means(results, name)}")
            body.append(_ratios(results, name) if name == metric else "")
            if name == metric and len(engines) > 1:
                body.append(f"<h2>{METRICS[name].title}: paired difference to {escape(baseline)}</h2>")
                body.append(
                    "<p>Green is better and red is worse by more than the interval.</p>" + _differences(results, name)
                )
        body.append(f"<h2>{METRICS[metric].title} by area of the hole</h2>{_means(results, metric, bins=True)}")
        plots = [plot(results["summary"], engines, metric) for plot in (plot_against_area, plot_against_time)]
        titles = ("quality against area", "quality against time")
        images = [f"<img alt='{t}' src='{_inline(p, 'png')}'>" for t, p in zip(titles, plots, strict=True) if p]
        body.append(f"<h2>Quality against area and time</h2><div class=plots>{''.join(images)}</div>")
        body.append(f"<h2>Pictures: the cases of {escape(focus)} by {METRICS[metric].title}</h2>")
        body += [_grid(folder, case, results, metric) for case in shown_cases(results)]
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Evaluation</title><style>{STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )
