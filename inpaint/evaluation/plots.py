"""Plots of an evaluation as PNG bytes."""

import io
from typing import Any

import matplotlib
import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from inpaint.evaluation.metrics import METRICS

LEAST_CASES = 3  # a bin with fewer is not drawn


def _colours(engines: list[str]) -> dict[str, Any]:
    wheel = matplotlib.colormaps["tab10" if len(engines) <= 10 else "tab20"].colors  # type: ignore[attr-defined]
    return {engine: wheel[k % len(wheel)] for k, engine in enumerate(engines)}


def _bars(value: dict[str, Any]) -> tuple[float, float]:
    """How far the interval reaches below and above the mean."""
    if value["low"] is None:
        return 0.0, 0.0
    return max(0.0, value["mean"] - value["low"]), max(0.0, value["high"] - value["mean"])


def _axes(metric: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 4.2), dpi=110, layout="constrained")
    axes = figure.subplots()
    better = "higher" if METRICS[metric].higher_is_better else "lower"
    axes.set_ylabel(f"{METRICS[metric].title}, {better} is better")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def plot_against_area(summary: list[dict[str, Any]], engines: list[str], metric: str) -> bytes | None:
    """Mean of a metric in each tenth of the area, one line per candidate; None where no bin has three cases."""
    figure, axes = _axes(metric)
    drawn = False
    for k, engine in enumerate(engines):
        rows = [r for r in summary if r["bin"] is not None and r["engine"] == engine and metric in r]
        rows = [r for r in rows if r[metric]["cases"] >= LEAST_CASES]
        if not rows:
            continue
        shift = (k - (len(engines) - 1) / 2) * 0.6  # so that intervals do not cover each other
        x = [r["bin"] * 10 + 5 + shift for r in rows]
        bars = np.array([_bars(r[metric]) for r in rows]).T
        means = [r[metric]["mean"] for r in rows]
        axes.errorbar(
            x, means, bars, marker="o", markersize=4, linewidth=1.4, capsize=2, label=engine,
            color=_colours(engines)[engine],
        )  # fmt: skip
        drawn = True
    axes.set_xlabel("hole, % of the photo")
    axes.set_xticks(range(0, 101, 10))
    axes.set_xlim(0, 10 * (1 + max((r["bin"] for r in summary if r["bin"] is not None), default=9)))
    if drawn:
        axes.legend(frameon=False, fontsize=8)
    return _png(figure) if drawn else None


def plot_against_time(summary: list[dict[str, Any]], engines: list[str], metric: str) -> bytes | None:
    """Mean of a metric over mean seconds a photo, one point per timed candidate; None where nothing was timed."""
    figure, axes = _axes(metric)
    rows = [r for r in summary if r["kind"] == "all" and r["bin"] is None and metric in r and "seconds" in r]
    for row in rows:
        x, y = row["seconds"]["mean"], row[metric]["mean"]
        low, high = _bars(row[metric])
        axes.errorbar(
            [x], [y], [[low], [high]], marker="o", linestyle="", capsize=2, label=row["engine"],
            color=_colours(engines)[row["engine"]],
        )  # fmt: skip
    axes.set_xscale("log")
    for axis_ticks in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        axis_ticks(ticker.FuncFormatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "125" else ""))
    axes.legend(frameon=False, fontsize=8)
    axes.margins(x=0.2)
    axes.set_xlabel("seconds a photo (mean, logarithmic)")
    return _png(figure) if rows else None
