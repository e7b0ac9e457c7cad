"""One call of the batch command: begin a run or go on with it, lead it, and say how it went."""

import hashlib
import os
import secrets
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inpaint import __version__
from inpaint.batch import places
from inpaint.batch.journal import VERSION, Journal, JournalError, Past, read_journal
from inpaint.batch.masks import learned_rule
from inpaint.batch.memory import LEADER, PHOTO, WORKER, least_memory, photo_bytes, physical_memory, workers_for
from inpaint.batch.plan import ALPHA, Plan, Request, Task, is_rule
from inpaint.batch.pool import Pool, Processes, Threads
from inpaint.batch.resume import check_unchanged, plan_records, run_options, still_to_do
from inpaint.batch.run import Budget, Counts, remove_empty_folders, run_tasks
from inpaint.batch.work import Host, Settings, remove_left_behind
from inpaint.errors import NothingToDo, OptionError, shown
from inpaint.fill_file import FillJob, weights_hash
from inpaint.filling.threads import check_threads
from inpaint.inpainter import pick_device
from inpaint.masking.rules import MaskRule, parse_rule
from inpaint.photo.formats import BY_NAME, FORMATS
from inpaint.photo.provenance import mask_text, read_mask_text, versions

JOURNAL = "inpaint-batch.jsonl"


@dataclass(frozen=True)
class Means:
    """What a run may use; nothing here changes an output.

    Args:
        workers: processes; 0: this one; None: as many as cores and memory are good for.
        threads: CPU threads of each worker; None: the cores divided among the workers.
        max_memory: bytes for all workers together; None: 0.8 of the machine's.
        ray: `local`, `auto` or the address of a Ray cluster; None: this machine alone.
    """

    workers: int | None = None
    threads: int | None = None
    max_memory: int | None = None
    ray: str | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 0:
            raise OptionError(f"workers must be 0 or more, got {self.workers}")
        check_threads(self.threads)
        workers = self.workers or 1
        if self.max_memory is not None and self.max_memory < least_memory(workers):
            least, what = least_memory(workers) >> 20, "one worker" if workers == 1 else f"{workers} workers"
            raise OptionError(f"max-memory must be at least {least}M for {what} and a photo")
        if self.max_memory is not None and self.ray is not None:
            raise OptionError("--max-memory is for one machine; Ray has limits of its own")


def default_journal(output: str) -> Path:
    """Where the journal of an output folder lies: in it, or among the user's state for a URL."""
    output = places.normal(output)
    if not places.is_remote(output):
        return Path(output, JOURNAL)
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "inpaint" / f"batch-{hashlib.sha256(output.encode()).hexdigest()[:16]}.jsonl"


def check_request(request: Request, template: FillJob, means: Means) -> None:
    """Refuse choices that exclude each other, before anything is looked for."""
    remote = [p for p in (*request.photos, request.masks, request.output) if places.is_remote(places.normal(p))]
    for place in remote:
        places.filesystem(places.normal(place))
    if template.mark and places.is_remote(places.normal(request.output)):
        raise OptionError("--mark writes a recipe beside each output, which needs a folder of this machine")
    if template.options.candidates > 1:
        raise OptionError("--candidates is for one photo at a time (inpaint fill): a batch writes one output a photo")
    if template.lossless and request.suffix:
        form = BY_NAME[FORMATS[request.suffix.lower()]]
        if form.lossless is False or form.palette_only:
            raise OptionError(f"{form.name} is not lossless, so --lossless cannot be had with --format")
    if means.ray is not None and any(places.is_private(place) for place in remote):
        raise OptionError(f"{shown(remote[0])}: can be seen by this process only, not by a cluster")
    if is_rule(request.masks) and request.masks != ALPHA:
        parse_rule(request.masks)
    if means.ray is None:
        pick_device(template.device)


def run_batch(
    plan: Plan, request: Request, template: FillJob, means: Means, journal_path: Path, resume: bool,
    tell: Callable[[Counts], None], stopping: Callable[[], bool], host: Host = Host(),
) -> Counts:  # fmt: skip
    """Do what a plan says.

    Args:
        plan: of `request`.
        request: what was asked for.
        template: how each photo is filled and written.
        means: what may be used.
        journal_path: the journal, which is locked meanwhile.
        resume: go on with the journal's run if there is one.
        tell: called after every change.
        stopping: whether to finish what is in hand and stop.
        host: lends turns and files to the run; only for `workers` 0.

    Raises:
        NothingToDo: the plan is empty.
        JournalError: an unfinished run without `resume`, or one that cannot be resumed.
    """
    if not plan.tasks and not plan.refused:
        what = "no photo has a mask" if plan.unmasked else "no photos were found"
        raise NothingToDo(f"{', '.join(shown(p) for p in request.photos)}: {what}")
    options = run_options(template, request, weights_hash(template.model, template.weights))
    threads = threads_of(means, request, len(plan.tasks))
    rule = _rule(request, plan, template, host, journal_path if resume else None)
    with Journal(journal_path) as journal:
        past = read_journal(journal_path)
        journal.cut(past.size)
        if past.run is not None and resume:
            options["threads"] = threads = means.threads or past.run["options"].get("threads")
            check_unchanged(journal_path, past, options, plan)
            run, tasks = past.run["id"], still_to_do(past, plan)
            remove_left_behind(run, [task.output for task in plan.tasks])
            more = rule is not None and rule.learned is not None and len(rule.learned) > len(past.masks)
            about = {"kind": "resume", "time": time.time(), "tasks": len(tasks)}
            journal.write([about, *(_learned_record(rule) if more else ())])
        else:
            _check_finished(journal_path, past, plan, template.overwrite)
            past, run, tasks, options["threads"] = Past(), secrets.token_hex(4), plan.tasks, threads
            _begin(journal, plan, options, run, rule)
        to_do = {task.output for task in tasks}
        counts = Counts(len(plan.tasks) + len(plan.refused))
        counts.before = [past.done[t.output] for t in plan.tasks if t.output not in to_do]
        _note_refused(journal, plan, counts)
        if tasks:
            settings, workers = Settings(template, run, threads, rule), workers_of(means, request, len(tasks))
            with closing(_pool(settings, means, workers, host)) as pool:
                run_tasks(tasks, past.ready, pool, journal, counts, _budget(means, workers, host), tell, stopping)
            remove_left_behind(run, [task.output for task in plan.tasks])
        journal.write([_end(counts)])
    remove_empty_folders(places.normal(request.output), [r["output"] for r in counts.failed + counts.empty])
    return counts


def _rule(request: Request, plan: Plan, template: FillJob, host: Host, journal: Path | None) -> MaskRule | None:
    """The rule of the run; one that learns from the photos keeps what the run that goes on has learnt from them."""
    text = request.masks if is_rule(request.masks) else ""
    past = read_journal(journal) if journal and text and text != ALPHA and parse_rule(text).needs_folder else Past()
    try:
        shapes = {size: tuple(map(int, size.split("x"))) for size in past.masks}
        known = {(h, w): read_mask_text(past.masks[size], (w, h)) for size, (h, w) in shapes.items()}
    except (OSError, SyntaxError, ValueError, TypeError) as error:
        raise JournalError(f"{shown(journal or '')}: the masks in it are damaged ({error})") from None
    with host.turn():
        return learned_rule(text, plan.tasks, template.limits, host.files, known)


def _learned_record(rule: MaskRule | None) -> list[dict[str, Any]]:
    if rule is None or rule.learned is None:
        return []
    masks = {f"{height}x{width}": mask_text(mask) for (height, width), mask in rule.learned.items()}
    return [{"kind": "masks", "masks": masks}]


def _check_finished(path: Path, past: Past, plan: Plan, overwrite: bool) -> None:
    """Refuse to forget what the journal's run has done, so that `--resume` can still tell."""
    done = past.done.keys() & {task.output for task in plan.tasks}
    there = past.ended and any(stamp is not None for stamp in places.stamps(done).values())
    if past.run is not None and not overwrite and (there or not past.ended):
        what = "is done in part" if past.ended and past.failed else "has ended" if past.ended else "did not end"
        raise JournalError(
            f"{shown(path)}: holds a run that {what} ({len(past.done):,} of {len(past.plan):,} done); "
            "continue it with --resume, or begin anew with --overwrite or another -o"
        )


def _begin(journal: Journal, plan: Plan, options: dict[str, Any], run: str, rule: MaskRule | None) -> None:
    about = {"version": VERSION, "id": run, "time": time.time(), "options": options}
    journal.write([{"kind": "run", **about, "inpaint": __version__, "versions": versions()}])
    records: list[dict[str, Any]] = []
    records += _learned_record(rule)
    for record in plan_records(plan):
        records.append(record)
        if len(records) == 10_000:
            journal.write(records)
            records = []
    journal.write([*records, {"kind": "begin", "tasks": len(plan.tasks)}])


def _note_refused(journal: Journal, plan: Plan, counts: Counts) -> None:
    for photo, reason in plan.refused:
        text = f"{shown(photo)}: {reason}"
        counts.failed.append({"kind": "failed", "output": "", "photo": photo, "reason": text})
    if counts.failed:
        journal.write(counts.failed)


def _end(counts: Counts) -> dict[str, Any]:
    return {
        "kind": "end", "stopped": counts.stopped, "time": time.time(), "before": len(counts.before),
        "done": len(counts.done), "failed": len(counts.failed), "empty": len(counts.empty),
    }  # fmt: skip


def workers_of(means: Means, request: Request, tasks: int) -> int:
    """How many processes this machine uses; 0: its own."""
    if any(places.is_private(places.normal(p)) for p in (*request.photos, request.masks, request.output)):
        return 0
    if means.workers is not None:
        return min(means.workers, tasks)
    return workers_for(_cores(), means.max_memory or _most_memory(), tasks)


def threads_of(means: Means, request: Request, tasks: int) -> int | None:
    """CPU threads for each worker: part of the options, since sums in other orders round a few pixels differently."""
    if means.threads is not None or means.ray is not None:
        return means.threads
    return max(1, _cores() // max(1, workers_of(means, request, tasks)))


def _pool(settings: Settings, means: Means, workers: int, host: Host) -> Pool:
    if means.ray is not None:
        from inpaint.batch.cluster import Cluster

        return Cluster(settings, means.ray, means.workers)
    return Processes(settings, workers) if workers else Threads(settings, host)


def _budget(means: Means, workers: int, host: Host) -> Budget:
    def cost(task: Task) -> int | None:
        return photo_bytes(task, host.files)

    most = means.max_memory or _most_memory()
    if means.ray is not None or most is None:
        return Budget(None, cost)
    return Budget(max(most - LEADER - max(1, workers) * WORKER, PHOTO), cost)


def _most_memory() -> int | None:
    memory = physical_memory()
    return None if memory is None else int(0.8 * memory)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
