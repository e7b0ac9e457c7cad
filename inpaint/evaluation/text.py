"""Results as plain text for the terminal."""

from typing import Any

from inpaint.evaluation.metrics import METRICS
from inpaint.evaluation.summary import ALL, classical_ratios


def columns(rows: list[list[str]]) -> str:
    """Rows of cells as text: the first two columns flush left, the others flush right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [c.ljust(w) if k < 2 else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def interval(value: dict[str, Any], digits: int, sign: str = "") -> str:
    """`mean [low, high]`; without the interval where there is none."""
    mean = f"{value['mean']:{sign}.{digits}f}"
    if value["low"] is None:
        return mean
    return f"{mean} [{value['low']:{sign}.{digits}f}, {value['high']:{sign}.{digits}f}]"


def primary_metric(results: dict[str, Any]) -> str:
    """The metric that cases are ordered by: LPIPS where it was measured, else L1 in the hole."""
    return "lpips" if "lpips" in results["metrics"] else "l1"


def shown_kinds(results: dict[str, Any]) -> list[str]:
    """Mask kinds as columns or rows of tables: all of them together only where there are several."""
    kinds: list[str] = results["settings"]["kinds"]
    return [*kinds, ALL] if len(kinds) > 1 else kinds


def summary_text(results: dict[str, Any]) -> str:
    """Means and 95 % intervals per mask kind and candidate, and what each is of the best classical engine."""
    metrics = results["metrics"]
    rows = [["masks", "engine", "cases", *(METRICS[m].title for m in metrics)]]
    for row in results["summary"]:
        if row["bin"] is None and row["kind"] in shown_kinds(results):
            cells = [interval(row[m], METRICS[m].digits) if m in row else "-" for m in metrics]
            rows.append([row["kind"], row["engine"], str(row["cases"]), *cells])
    text = columns(rows)
    metric = primary_metric(results)
    for engine, ratios in classical_ratios(results["summary"], metric).items():
        parts = ", ".join(f"{kind} {ratios[kind]:.2f}" for kind in shown_kinds(results) if kind in ratios)
        text += f"\n{METRICS[metric].title} of {engine} / best classical engine: {parts}"
    return text
