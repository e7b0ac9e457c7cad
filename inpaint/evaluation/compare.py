"""Two results files side by side: what got better, what got worse, and what cannot be told apart."""

from dataclasses import asdict, dataclass
from typing import Any

from inpaint.errors import InpaintError, OptionError
from inpaint.evaluation.metrics import METRICS
from inpaint.evaluation.summary import ALL, LEVEL, Record, by_engine, paired, verdict
from inpaint.evaluation.text import columns, interval


@dataclass(frozen=True)
class Change:
    """How a metric of one candidate and mask kind changed from A to B.

    Args:
        first, second: means over the cases that both have.
        difference: of second - first, as `bootstrap_mean` gives it.
        verdict: `better`, `worse` or `same`, where same means that the interval holds 0.
        regressed: worse, in a chosen metric, and by more than the tolerance.
    """

    engine: str
    kind: str
    metric: str
    first: float
    second: float
    difference: dict[str, Any]
    verdict: str
    regressed: bool


def _common(first: list[Record], second: list[Record]) -> tuple[list[Record], list[Record]]:
    """Records of the cases that both have, in the same order; raises InpaintError where a case's mask differs."""
    before = {(r["photo"], r["kind"]): r for r in first}
    pairs = [(before[r["photo"], r["kind"]], r) for r in second if (r["photo"], r["kind"]) in before]
    for a, b in pairs:
        if a["mask"] != b["mask"]:
            raise InpaintError(f"{b['photo']}: its {b['kind']} mask is not the same in both files, compare equal seeds")
    return [a for a, _ in pairs], [b for _, b in pairs]


def chosen_metrics(first: dict[str, Any], second: dict[str, Any], wanted: list[str]) -> list[str]:
    """The metrics that decide: the wanted ones, or LPIPS where both have it, or L1 in the hole.

    Raises:
        OptionError: a metric that is unknown or that a file lacks.
    """
    both = [m for m in METRICS if m in first["metrics"] and m in second["metrics"]]
    for metric in wanted:
        if metric not in both:
            raise OptionError(f"metric must be among {', '.join(both) or 'none'} (in both files), got {metric!r}")
    return wanted or ["lpips" if "lpips" in both else "l1"]


def compare(
    first: dict[str, Any], second: dict[str, Any], wanted: list[str], engines: list[str], tolerance: float
) -> list[Change]:
    """Every change from one results file to another.

    Args:
        first, second: results files as read.
        wanted: metrics that decide whether something regressed; none means LPIPS, or L1 where LPIPS is absent.
        engines: candidates to compare; none means all that both files have.
        tolerance: a regression must exceed this share of the first mean as well.

    Raises:
        OptionError: an engine or metric that a file lacks.
        InpaintError: the files have no case in common, or a case's photo or mask differs.
    """
    deciding = chosen_metrics(first, second, wanted)
    sums = {p["name"]: p["checksum"] for p in first["photos"]}
    for photo in second["photos"]:
        if sums.get(photo["name"], photo["checksum"]) != photo["checksum"]:
            raise InpaintError(f"{photo['name']}: is not the same photo in both files")
    a, b = by_engine(first["records"]), by_engine(second["records"])
    shared = [engine for engine in first["engines"] if engine in a and engine in b]
    for engine in engines:
        if engine not in shared:
            raise OptionError(f"engines must be among {', '.join(shared) or 'none'} (in both files), got {engine!r}")
    changes = []
    for engine in engines or shared:
        before, after = _common(a[engine], b[engine])
        kinds = list(dict.fromkeys(r["kind"] for r in after))
        for kind in [*kinds, ALL] if len(kinds) > 1 else kinds:
            own, other = ([r for r in part if kind in (ALL, r["kind"])] for part in (before, after))
            changes += [
                _change(engine, kind, metric, own, other, metric in deciding, tolerance) for metric in METRICS
                if metric != "seconds" or metric in deciding
                if all(metric in r for r in [*own, *other])
            ]  # fmt: skip
    if not changes:
        raise InpaintError("the two results files have no engine and case in common")
    return changes


def _change(
    engine: str, kind: str, metric: str, first: list[Record], second: list[Record], deciding: bool, tolerance: float
) -> Change:
    difference = paired(first, second, metric)
    assert difference is not None
    means = [sum(r[metric] for r in part) / len(part) for part in (first, second)]
    found = verdict(difference, metric)
    beyond = abs(difference["mean"]) > tolerance * abs(means[0])
    return Change(engine, kind, metric, means[0], means[1], difference, found, deciding and found == "worse" and beyond)


def changes_text(changes: list[Change]) -> str:
    """Changes as a table for the terminal."""
    rows = [["engine", "masks", "metric", "cases", "A", "B", f"B - A [{LEVEL} %]", ""]]
    for c in changes:
        digits = METRICS[c.metric].digits
        note = "REGRESSED" if c.regressed else "" if c.verdict == "same" else c.verdict
        rows.append([
            c.engine, c.kind, METRICS[c.metric].title, str(c.difference["cases"]), f"{c.first:.{digits}f}",
            f"{c.second:.{digits}f}", interval(c.difference, digits, "+"), note,
        ])  # fmt: skip
    return columns(rows)


def changes_json(changes: list[Change]) -> list[dict[str, Any]]:
    """Changes as what JSON can hold."""
    return [asdict(change) for change in changes]


def regressions(changes: list[Change]) -> str | None:
    """One sentence that names what regressed, or None."""
    worse = [c for c in changes if c.regressed]
    if not worse:
        return None
    names = [f"{METRICS[c.metric].title} of {c.engine} on {c.kind}" for c in worse]
    return f"regressed beyond its interval: {', '.join(names)}"
