"""A plan and a run in words and as JSON."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from inpaint.batch import places
from inpaint.batch.memory import picture_size
from inpaint.batch.plan import Plan, rule_name
from inpaint.batch.run import Counts
from inpaint.errors import shown
from inpaint.photo.access import PictureFiles


def plan_json(plan: Plan, files: PictureFiles = PictureFiles()) -> dict[str, Any]:
    """A plan as plain values; sizes are read from the photos' headers by `files`, null where they cannot be."""
    with ThreadPoolExecutor(16) as threads:
        sizes = list(threads.map(lambda task: picture_size(task.photo, files), plan.tasks))
        there = list(threads.map(places.exists, [task.output for task in plan.tasks]))
    rows = [
        {
            "photo": task.photo, "masks": list(task.masks), "rule": task.rule, "why": task.why, "output": task.output,
            "size": size, "exists": exists,
        } for task, size, exists in zip(plan.tasks, sizes, there, strict=True)
    ]  # fmt: skip
    return {"inpaint_batch_plan": 1, "tasks": rows, **_aside(plan)}


def _aside(plan: Plan) -> dict[str, Any]:
    return {
        "refused": [{"photo": photo, "reason": reason} for photo, reason in plan.refused],
        "photos_without_mask": plan.unmasked, "masks_without_photo": plan.unused,
        "left_out": [{"file": place, "reason": reason} for place, reason in plan.left_out],
    }  # fmt: skip


def plan_text(plan: Plan) -> str:
    """A plan as a table, and what is not in it."""
    rows = [("photo", "size", "mask", "why", "output")]
    for row in plan_json(plan)["tasks"]:
        size = "{}x{}".format(*row["size"]) if row["size"] else "cannot be read"
        mask = " + ".join(shown(m) for m in row["masks"]) or rule_name(row["rule"])
        output = shown(row["output"]) + (" (exists already)" if row["exists"] else "")
        rows.append((shown(row["photo"]), size, mask, row["why"], output))
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [f"refused: {shown(photo)}: {reason}" for photo, reason in plan.refused]
    lines += asides(plan)
    lines += [f"left out: {shown(place)}: {reason}" for place, reason in plan.left_out]
    refused, unmasked = len(plan.refused), len(plan.unmasked)
    lines.append(f"{len(plan.tasks):,} to do, {refused:,} refused, {unmasked:,} without a mask")
    return "\n".join(lines)


def asides(plan: Plan) -> list[str]:
    """A line for each photo without a mask and each mask without a photo."""
    return [f"without a mask: {shown(photo)}" for photo in plan.unmasked] + [
        f"mask without a photo: {shown(mask)}" for mask in plan.unused
    ]


def failure_line(record: dict[str, Any]) -> str:
    """`PHOTO: reason`, on one line."""
    photo, reason = shown(record["photo"]), record["reason"]
    return reason if reason.startswith(f"{photo}:") else f"{photo}: {reason}"


def run_json(plan: Plan, counts: Counts, seconds: float, options: dict[str, Any]) -> dict[str, Any]:
    """Everything about a run as plain values."""

    def short(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{key: record[key] for key in ("photo", "output", "reason")} for record in records]

    return {
        "inpaint_batch": 1, "total": counts.total, "done": len(counts.done), "done_before": len(counts.before),
        "stopped": counts.stopped, "seconds": round(seconds, 3),
        "photos_per_second": round(len(counts.done) / seconds, 3) if seconds else None, "options": options,
        "failed": short(counts.failed), "nothing_to_fill": short(counts.empty), **_aside(plan),
        "outputs": [{k: v for k, v in r.items() if k != "kind"} for r in counts.before + counts.done],
    }  # fmt: skip


def run_text(plan: Plan, counts: Counts, seconds: float) -> str:
    """How a run went, in one sentence."""
    parts = [f"{len(counts.done):,} done"]
    parts += [f"{len(counts.before):,} done before"] if counts.before else []
    parts += [f"{len(counts.failed):,} failed"]
    parts += [f"{len(counts.empty):,} with nothing to fill"] if counts.empty else []
    left = counts.total - counts.finished
    parts += [f"{left:,} left"] if left else []
    parts += [f"{len(plan.unmasked):,} without a mask"] if plan.unmasked else []
    rate = f", {len(counts.done) / seconds:.2f} photos/s" if counts.done and seconds else ""
    return f"{counts.total:,} photos: {', '.join(parts)}; {duration(seconds)}{rate}"


def duration(seconds: float) -> str:
    """`42 s`, `12 min` or `3 h 20 min`."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def progress_text(counts: Counts, start: float) -> str:
    """How far a run is: photos, failures, photos per second, time left."""
    worked = counts.finished - len(counts.before)
    seconds = max(time.monotonic() - start, 1e-9)
    text = f"{counts.finished:,} of {counts.total:,} photos, {len(counts.failed):,} failed"
    if not worked:
        return text
    left = (counts.total - counts.finished) * seconds / worked
    return f"{text}, {worked / seconds:.2f} photos/s, {duration(left)} left"


