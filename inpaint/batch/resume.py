"""What a resumed run still has to do, and the refusal to go on when options or inputs are not what they were."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inpaint.batch import places
from inpaint.batch.journal import JournalError, Past
from inpaint.batch.plan import Plan, Task
from inpaint.errors import shown

SHOWN = 5  # names in one message


def plan_records(plan: Plan) -> Iterator[dict[str, Any]]:
    """The journal's `plan` records."""
    stamps = places.stamps(place for task in plan.tasks for place in (task.photo, *task.masks))
    for task in plan.tasks:
        yield {
            "kind": "plan", "output": task.output, "photo": task.photo, "masks": list(task.masks), "rule": task.rule,
            "stamps": {place: stamps[place] for place in (task.photo, *task.masks)},
        }  # fmt: skip


def check_unchanged(path: Path, past: Past, options: dict[str, Any], plan: Plan) -> None:
    """Refuse to go on with other options, other photos or masks, or outputs that were changed.

    Args:
        path: the journal, for messages.
        past: what it says.
        options: of this run.
        plan: of this run.

    Raises:
        JournalError: something changed; the text says what.
    """
    assert past.run is not None
    before = {key: value for key, value in past.run["options"].items() if key != "masks_sha256"}  # of an older version
    changed = [f"{key} was {before.get(key)!r} and is {options.get(key)!r}"
               for key in sorted({*before, *options}) if before.get(key) != options.get(key)]  # fmt: skip
    if changed:
        _refuse(path, "options changed: " + "; ".join(changed))
    now = {task.output: task for task in plan.tasks}
    for title, names in (
        ("photos were added", (t.photo for t in plan.tasks if t.output not in past.plan)),
        ("photos are gone", (r["photo"] for o, r in past.plan.items() if o not in now)),
        ("other masks belong to", (t.photo for t in plan.tasks if _paired_otherwise(t, past.plan[t.output]))),
        ("files were changed", _changed_inputs(past, now)),
        ("outputs were changed", _changed_outputs(past)),
    ):
        names = sorted(set(names))
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            _refuse(path, f"{title}: {', '.join(shown(n) for n in names[:SHOWN])}{more}")


def _refuse(path: Path, text: str) -> None:
    raise JournalError(
        f"{shown(path)}: cannot be resumed, since {text} (restore that, or begin anew with --overwrite or another -o)"
    )


def _paired_otherwise(task: Task, record: dict[str, Any]) -> bool:
    return [task.photo, list(task.masks), task.rule] != [record["photo"], record["masks"], record["rule"]]


def _changed_inputs(past: Past, now: dict[str, Task]) -> Iterable[str]:
    """Inputs whose size or time differ and, where it is known, whose contents do.

    A failed photo may be mended, and one that is its own output may hold the fill.
    """
    stamps = places.stamps(place for record in past.plan.values() for place in record["stamps"])
    for output, record in past.plan.items():
        done = past.done.get(output)
        if output not in now or (done is None and output in past.failed):
            continue
        hashes = done["inputs"] if done else {}
        ours = {*past.ready.get(output, ()), *([done["sha256"]] if done else ())}
        for place, stamp in record["stamps"].items():
            if stamp == stamps[place]:
                continue
            found = places.digest(place)
            filled_in_place = found in ours and len(set(places.reals([place, output]).values())) == 1
            if not filled_in_place and (place not in hashes or hashes[place] != found):
                yield place


def _changed_outputs(past: Past) -> Iterable[str]:
    stamps = places.stamps(past.done)
    for output, record in past.done.items():
        stamp = stamps[output]
        if stamp is not None and stamp != record["stamp"] and places.digest(output) != record["sha256"]:
            yield output


def still_to_do(past: Past, plan: Plan) -> list[Task]:
    """The tasks without a finished output; an output that was removed is made again."""
    stamps = places.stamps(past.done)
    return [task for task in plan.tasks if stamps.get(task.output) is None]


def run_options(template: Any, request: Any, weights_sha256: str) -> dict[str, Any]:
    """Everything that decides about the bytes of the outputs, as plain values.

    Args:
        template: the `FillJob` that every task starts from.
        request: the plan's `Request`.
        weights_sha256: of the weights file.
    """
    kept = ("mask_is", "lossless", "verify", "mark", "keep_time", "model", "device")
    return {
        **asdict(template.options), **{name: getattr(template, name) for name in kept}, **asdict(template.limits),
        "weights_sha256": weights_sha256, "masks": request.masks, "several": request.several, "format": request.suffix,
        "mask_suffix": list(request.markers),
    }  # fmt: skip
