"""Means with bootstrap intervals, per mask kind and per tenth of the area, and differences between candidates."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from inpaint.evaluation.metrics import METRICS

ALL = "all"
RESAMPLES = 2000
LEVEL = 95  # per cent
CLASSICAL = ("telea", "ns", "biharmonic")
Record = dict[str, Any]


def bootstrap_mean(values: Iterable[float], groups: Iterable[str]) -> dict[str, Any]:
    """Mean of values, and the percentile bootstrap interval over groups (Efron 1979), seeded.

    Whole groups are drawn, because the cases of one photo are alike.

    Args:
        values: one per case.
        groups: the photo of each case.

    Returns:
        `mean`, `low` and `high` of the 95 % interval (None with fewer than two groups), `cases`, `groups`.
    """
    array = np.fromiter(values, float)
    _, member = np.unique(np.array(list(groups)), return_inverse=True)
    totals, counts = np.bincount(member, array), np.bincount(member)
    mean, many = float(array.mean()), len(counts)
    low = high = None
    if many >= 2:
        drawn = np.random.default_rng(0).integers(many, size=(RESAMPLES, many))
        means = totals[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
        low, high = (float(v) for v in np.percentile(means, [50 - LEVEL / 2, 50 + LEVEL / 2]))
    return {"mean": mean, "low": low, "high": high, "cases": len(array), "groups": many}


def area_bin(area: float) -> int:
    """Tenth of the photo that a hole of this share falls into: 0 for up to 10 %, 1 for up to 20 %, ..."""
    return min(9, max(0, int(np.ceil(area * 10)) - 1))


def paired(first: list[Record], second: list[Record], metric: str) -> dict[str, Any] | None:
    """Mean of `second - first` over the cases that both have; as `bootstrap_mean`, or None without any."""
    before = {(r["photo"], r["kind"]): r[metric] for r in first if metric in r}
    both = [(r, before[r["photo"], r["kind"]]) for r in second if metric in r and (r["photo"], r["kind"]) in before]
    if not both:
        return None
    return bootstrap_mean([r[metric] - b for r, b in both], [r["photo"] for r, _ in both])


def verdict(difference: dict[str, Any], metric: str) -> str:
    """`better` or `worse` where the whole interval of a difference lies on one side of 0, else `same`."""
    if difference["low"] is None or difference["low"] <= 0 <= difference["high"]:
        return "same"
    return "better" if (difference["low"] > 0) == METRICS[metric].higher_is_better else "worse"


def by_engine(records: list[Record]) -> dict[str, list[Record]]:
    """Records of each candidate."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[record["engine"]].append(record)
    return groups


def _row(records: list[Record], baseline: list[Record] | None) -> dict[str, Any]:
    row: dict[str, Any] = {"cases": len(records)}
    for metric in METRICS:
        own = [r for r in records if metric in r]
        if own:
            row[metric] = bootstrap_mean([r[metric] for r in own], [r["photo"] for r in own])
            if baseline is not None and (difference := paired(baseline, own, metric)):
                row[metric]["against_baseline"] = difference
    return row


def classical_ratios(summary: list[dict[str, Any]], metric: str) -> dict[str, dict[str, float]]:
    """What each other candidate's mean is of the best classical engine's, per mask kind.

    Args:
        summary: rows of `summarise`.
        metric: one where lower is better.

    Returns:
        label -> kind -> ratio, below 1 where the candidate is better; empty without a classical engine.
    """
    assert not METRICS[metric].higher_is_better
    ratios: dict[str, dict[str, float]] = defaultdict(dict)
    rows = [row for row in summary if row["bin"] is None and metric in row]
    for row in rows:
        classical = [r for r in rows if r["kind"] == row["kind"] and r["engine"] in CLASSICAL]
        best = min((r[metric]["mean"] for r in classical), default=0.0)
        if row["engine"] not in CLASSICAL and best > 0:
            ratios[row["engine"]][row["kind"]] = row[metric]["mean"] / best
    return dict(ratios)


def summarise(records: list[Record], engines: list[str], kinds: list[str], baseline: str) -> list[dict[str, Any]]:
    """One row per mask kind, for all of them, and for all of them per area bin; of each, one per candidate.

    Args:
        records: one per case and candidate.
        engines: labels, in the order of the rows.
        kinds: mask kinds, in the order of the rows.
        baseline: label of the candidate that paired differences are taken against.

    Returns:
        rows with `kind`, `bin` (None for any area), `engine`, `cases`, and each metric's mean, interval and paired
        difference.
    """
    parts: list[tuple[str, int | None, list[Record]]]
    parts = [(kind, None, [r for r in records if r["kind"] == kind]) for kind in kinds]
    parts.append((ALL, None, records))
    parts += [(ALL, number, [r for r in records if area_bin(r["area"]) == number]) for number in range(10)]
    rows = []
    for kind, number, part in parts:
        found = by_engine(part)
        for engine in (e for e in engines if e in found):
            against = found.get(baseline) if engine != baseline else None
            rows.append({"kind": kind, "bin": number, "engine": engine, **_row(found[engine], against)})
    return rows
