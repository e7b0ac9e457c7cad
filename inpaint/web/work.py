"""The slow things that a page asks for: fills and found masks. One at a time, with progress and a way to stop."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from inpaint.errors import Cancelled, InpaintError, MaskError
from inpaint.filling.progress import Listener
from inpaint.filling.report import FillReport
from inpaint.options import FillOptions
from inpaint.photo.masks import check_mask, dilate_mask
from inpaint.photo.picture import Pixels
from inpaint.web.networks import Networks
from inpaint.web.pictures import Mask
from inpaint.web.session import Session
from inpaint.web.strokes import Operation, rasterise
from inpaint.web.turns import Turns

PAUSE = 0.15  # seconds between two messages about progress
MOST_UNWANTED = 1000


class Busy(InpaintError):
    """This photo is being worked on already."""


@dataclass(frozen=True)
class FillRequest:
    """What to fill: the painted operations, how, with which network, and over which step (None: the current one)."""

    operations: list[Operation]
    options: FillOptions = FillOptions()
    model: str = ""
    step: int | None = None


def painted(session: Session, operations: list[Operation]) -> Mask:
    """The mask of a list of operations at the photo's full size, bool (H, W).

    Raises:
        MaskError: an operation that is not one, or a mask that is gone.
    """
    if not isinstance(operations, list) or not all(isinstance(item, dict) for item in operations):
        raise MaskError("the strokes are not a list")
    return rasterise(operations, session.shape, session.shape, session.mask)


def fill_current(session: Session, networks: Networks, request: FillRequest, tell: Listener | None = None) -> int:
    """Fill what was painted over the step that is shown; every candidate becomes a step, the best the current one.

    Returns:
        the number of the best step.

    Raises:
        InpaintError: nothing was painted, a setting is wrong, or the fill was cancelled; no step is added.
    """
    with session.lock:  # where the original is being restored, that step comes first
        parent = session.base(request.step)
    return _fill(session, networks, parent, painted(session, request.operations), request, tell)


def fill_again(session: Session, networks: Networks, request: FillRequest, tell: Listener | None = None) -> int:
    """Fill the shown step's mask once more, from the step before it, with the seed after the one asked for then.

    Raises:
        MaskError: that step was not filled.
        InpaintError: as `fill_current`.
    """
    step = session.steps[session.base(request.step)]
    if step.kind != "fill":
        raise MaskError("there is no fill to repeat yet")
    options = asdict(request.options) | {"seed": int(step.report["asked_seed"]) + 1}
    request = FillRequest([], FillOptions(**options), request.model)
    return _fill(session, networks, step.parent, session.mask(step.mask), request, tell, session.pixels(step.number))


def _fill(
    session: Session, networks: Networks, parent: int, mask: Mask, request: FillRequest, tell: Listener | None,
    unlike: Pixels | None = None,
) -> int:  # fmt: skip
    check_mask(mask)
    inpainter = networks.get(request.model)
    before = session.pixels(parent)
    source = session.photo.with_pixels(before)
    result = inpainter.fill(source.visible_pixels(), mask, request.options, list(session.photo.notes), tell)
    hole = dilate_mask(mask, request.options.dilate)
    if unlike is not None and len(result.candidates) == 1 and np.array_equal(result.photo[hole], unlike[hole]):
        raise MaskError("this engine gives the same fill with every seed, choose another one")
    name, group = session.add_mask(mask), len(session.steps)
    numbers = []
    for candidate, about in zip(result.candidates, result.report.candidates, strict=True):
        filled = np.where(hole[..., None], candidate, before)
        report = describe_fill(result.report, before, filled, hole, request, networks) | asdict(about)
        numbers.append(session.add_step(parent, "fill", filled, hole, report, group, name))
    for number in reversed(numbers):  # the best last, so that redo leads to it
        session.go(number)
    return numbers[0]


def describe_fill(
    report: FillReport, before: Pixels, after: Pixels, hole: Mask, request: FillRequest, networks: Networks
) -> dict[str, Any]:
    """What the page says about a fill; how many kept pixels changed is counted, not assumed."""
    differs = (before != after).any(axis=2)
    return {
        "seconds": {stage: round(spent, 3) for stage, spent in report.seconds.items()},
        "filled": report.filled_pixels, "kept": int(hole.size - report.filled_pixels),
        "changed": int((differs & ~hole).sum()), "notes": report.notes, "holes": [asdict(h) for h in report.holes],
        "model": request.model or networks.names[0], "dilate": request.options.dilate,
        "asked_seed": request.options.seed,
    }  # fmt: skip


def restore(session: Session, operations: list[Operation], shown: int | None = None) -> int:
    """Bring the opened photo back where it was painted over; returns the number of the new current step.

    Args:
        session: the photo.
        operations: what was painted.
        shown: the step that the page shows, as for `Session.base`.

    Raises:
        MaskError: nothing was painted, or nothing differs there.
    """
    area = painted(session, operations)
    with session.lock:  # of two strokes at once, the second goes on from the first
        base = session.base(shown)
        now, original = session.pixels(base), session.photo.pixels
        area &= (now != original).any(axis=2)
        if not area.any():
            raise MaskError("nothing was changed there, so there is nothing to restore")
        report = {"filled": int(area.sum()), "kept": int(area.size - area.sum()), "changed": 0}
        number = session.add_step(base, "restore", np.where(area[..., None], original, now), area, report)
        session.go(number)
        return number


def cancel(session: Session, job: str) -> None:
    """Stop some work, or keep it from beginning when its turn comes."""
    with session.lock:
        if session.busy and session.job == job:
            session.cancelled.set()
        elif len(session.unwanted) < MOST_UNWANTED:
            session.unwanted.add(job)


def with_progress(
    session: Session, do: Callable[[Listener], dict[str, Any]], job: str = "", turns: Turns | None = None
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Run something slow in a thread of its own and tell how far it is.

    Args:
        session: marked as busy meanwhile; its `cancelled` event stops the work.
        do: the work; returns the last message.
        job: what the page calls it, for `cancel`.
        turns: the queue that it waits in; None: one of its own.

    Yields:
        `{"kind": "progress", "stage": ..., "done": ...}` now and then, at last what `do` returned.

    Raises:
        InpaintError: what `do` raised, Busy, or Cancelled where it was cancelled before its turn.
    """
    with session.lock:
        if job in session.unwanted:
            session.unwanted.remove(job)
            raise Cancelled("the work was cancelled")
        if session.busy:
            raise Busy("this photo is being worked on, wait or cancel first")
        session.busy, session.job = True, job
        session.cancelled.clear()
    news: queue.Queue[tuple[str, Any]] = queue.Queue()

    def listen(stage: str, done: float) -> bool:
        news.put(("progress", (stage, done)))
        return not session.cancelled.is_set()

    def run() -> None:
        try:
            with (turns or Turns()).turn(f"page:{session.token}", session.cancelled):
                news.put(("done", do(listen)))
        except BaseException as error:  # handed to the thread that waits
            news.put(("error", error))
        finally:
            session.busy = False

    threading.Thread(target=run, daemon=True, name="work").start()
    told = 0.0
    try:
        while True:
            kind, value = news.get()
            if kind == "done":
                yield value
                return
            if kind == "error":
                raise value
            if time.monotonic() - told >= PAUSE:
                told = time.monotonic()
                yield {"kind": "progress", "stage": value[0], "done": round(value[1], 3)}
    finally:
        session.cancelled.set()  # reached early when the browser goes away: nobody waits for the rest


def check_cancelled(session: Session) -> None:
    """Raise Cancelled if the person asked to stop."""
    if session.cancelled.is_set():
        raise Cancelled("the work was cancelled")
