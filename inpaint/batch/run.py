"""Lead a run: hand out tasks, note everything in the journal, and stop when asked without losing count."""

import os
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from inpaint.batch import places
from inpaint.batch.journal import Journal
from inpaint.batch.plan import Task
from inpaint.batch.pool import Event, Pool
from inpaint.errors import shown

TRIES = 3  # workers that may die on one photo, until it counts as failed
WAIT = 0.25  # seconds between two looks at whether to stop


@dataclass
class Counts:
    """How far a run is: the records of what became of its outputs; `before` were done in an earlier session."""

    total: int = 0
    before: list[dict[str, Any]] = field(default_factory=list)
    done: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    empty: list[dict[str, Any]] = field(default_factory=list)
    stopped: bool = False

    @property
    def finished(self) -> int:
        """Photos that need nothing more in this session."""
        return len(self.before) + len(self.done) + len(self.failed) + len(self.empty)


@dataclass
class Budget:
    """Memory for the photos in hand, in bytes; None: no limit.

    Args:
        photos: bytes for all of them together.
        cost: estimates the bytes of a task; None where its size is unknown.
    """

    photos: int | None
    cost: Callable[[Task], int | None]

    def of(self, task: Task) -> int:
        """Bytes to reserve for a task."""
        return 0 if self.photos is None else self.cost(task) or 0


def run_tasks(
    tasks: Iterable[Task], known: dict[str, list[str]], pool: Pool, journal: Journal, counts: Counts, budget: Budget,
    tell: Callable[[Counts], None], stopping: Callable[[], bool],
) -> None:  # fmt: skip
    """Do all tasks.

    Args:
        tasks: what is to be done, in order.
        known: hashes under which outputs may have appeared before a kill; added to.
        pool: who does them.
        journal: what is done is noted here before the next thing happens.
        counts: added to.
        budget: photos wait until there is memory for them.
        tell: called after every change.
        stopping: whether to take no more tasks.
    """
    lead = _Lead(deque(tasks), known, pool, journal, counts, budget)
    tell(counts)
    while not lead.over:
        if stopping():
            counts.stopped = counts.stopped or bool(lead.waiting or lead.suspects)
            lead.waiting.clear()
            lead.suspects.clear()
        lead.hand_out()
        if lead.in_hand:
            lead.note(pool.wait(WAIT))
        tell(counts)


class _Lead:
    def __init__(
        self, waiting: deque[Task], known: dict[str, list[str]], pool: Pool, journal: Journal, counts: Counts,
        budget: Budget,
    ) -> None:  # fmt: skip
        self.waiting, self.known, self.pool = waiting, known, pool
        self.journal, self.counts, self.budget = journal, counts, budget
        self.suspects: deque[Task] = deque()  # were in hand when a worker died: one of them may have killed it
        self.in_hand: dict[str, tuple[Task, int]] = {}
        self.deaths: dict[str, int] = {}

    @property
    def over(self) -> bool:
        return not (self.waiting or self.suspects or self.in_hand)

    def hand_out(self) -> None:
        for queue, alone in ((self.suspects, True), (self.waiting, False)):
            while queue and self.pool.room(alone):
                cost = self.budget.of(queue[0])
                limit, used = self.budget.photos, sum(c for _, c in self.in_hand.values())
                if limit is not None and cost > limit:
                    self._refuse(queue.popleft(), cost, limit)
                    continue
                if limit is not None and used + cost > limit:
                    return
                task = queue.popleft()
                self.in_hand[task.output] = (task, cost)
                self.pool.submit(task, self.known.get(task.output, []), alone)

    def _refuse(self, task: Task, cost: int, limit: int) -> None:
        need, have = f"{cost / 2**20:,.0f} MiB", f"{limit / 2**20:,.0f} MiB"
        reason = f"{shown(task.photo)}: needs about {need} of memory, --max-memory leaves {have} for photos"
        record = {"kind": "failed", "output": task.output, "photo": task.photo, "reason": reason}
        self.journal.write([record])
        self.counts.failed.append(record)

    def note(self, events: list[Event]) -> None:
        """Write what happened to the journal at once, then act on it."""
        records: list[dict[str, Any]] = []
        for event in events:
            if event.kind == "ready":
                records.append({"kind": "ready", "output": event.output, "sha256": event.sha256})
                self.known.setdefault(event.output, []).append(event.sha256)
            elif event.kind == "finished":
                del self.in_hand[event.output]
                if event.record["kind"] == "dropped":
                    self.counts.stopped = True
                else:
                    records.append(event.record)
                    getattr(self.counts, event.record["kind"]).append(event.record)
            else:
                records += self._lost(event)
        if records:
            self.journal.write(records)
        for event in events:
            if event.kind == "ready":
                self.pool.allow(event.output)

    def _lost(self, event: Event) -> list[dict[str, Any]]:
        task, _ = self.in_hand.pop(event.output)
        self.deaths[event.output] = self.deaths.get(event.output, 0) + 1
        if self.deaths[event.output] < TRIES:
            self.suspects.append(task)
            return []
        reason = f"{shown(task.photo)}: could not be filled, {event.reason} each of {TRIES} times"
        record = {"kind": "failed", "output": task.output, "photo": task.photo, "reason": reason}
        self.counts.failed.append(record)
        return [record]


def remove_empty_folders(root: str, outputs: list[str]) -> None:
    """Remove folders below the output folder that failed tasks left empty."""
    if places.is_remote(root):
        return
    folders = {os.path.dirname(output) for output in outputs}
    for folder in sorted(folders, key=len, reverse=True):
        while len(folder) > len(root) and folder.startswith(root):
            try:
                os.rmdir(folder)
            except OSError:  # not empty
                break
            folder = os.path.dirname(folder)
