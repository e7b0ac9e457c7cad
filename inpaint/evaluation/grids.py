"""Which cases the report shows in pictures."""

from dataclasses import dataclass
from typing import Any

from inpaint.evaluation.metrics import METRICS
from inpaint.evaluation.summary import by_engine
from inpaint.evaluation.text import primary_metric

SHOWN_LOSSES = 3


@dataclass(frozen=True)
class ShownCase:
    """One row of pictures: why it is shown, and every candidate's record of the case by label."""

    reason: str
    photo: str
    kind: str
    records: dict[str, dict[str, Any]]


def focus_of(results: dict[str, Any]) -> str:
    """The candidate whose worst and best cases are shown: the first that is not the baseline."""
    labels = list(results["engines"])
    return next((label for label in labels if label != results["settings"]["baseline"]), labels[0])


def shown_cases(results: dict[str, Any]) -> list[ShownCase]:
    """Worst, median and best case of each mask kind, and before them where the focus loses most to the baseline."""
    focus, baseline, metric = focus_of(results), results["settings"]["baseline"], primary_metric(results)
    sign = -1 if METRICS[metric].higher_is_better else 1
    cases: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for engine, records in by_engine(results["records"]).items():
        for record in records:
            cases.setdefault((record["photo"], record["kind"]), {})[engine] = record
    shown = []
    if focus != baseline:
        both = [(key, r) for key, r in cases.items() if focus in r and baseline in r]
        losses = [(sign * (r[focus][metric] - r[baseline][metric]), key) for key, r in both]
        for loss, key in sorted(losses, reverse=True)[:SHOWN_LOSSES]:
            if loss > 0:
                reason = f"{focus} loses to {baseline} by {loss:.{METRICS[metric].digits}f}"
                shown.append(ShownCase(reason, *key, cases[key]))
    for kind in results["settings"]["kinds"]:
        own = [key for key in cases if key[1] == kind and focus in cases[key]]
        order = sorted(own, key=lambda key: (-sign * cases[key][focus][metric], key))
        names = {0: "worst", len(order) // 2: "median", len(order) - 1: "best"} if len(order) >= 3 else {}
        for place, key in enumerate(order):
            if place in names or len(order) < 3:
                reason = f"{kind}: {names.get(place, 'case')} of {len(order)} for {focus}"
                shown.append(ShownCase(reason, *key, cases[key]))
    return shown
