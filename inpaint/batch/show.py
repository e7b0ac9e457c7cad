"""What is seen and heard while a run goes: a bar or lines on stderr, and the signals that stop it."""

import signal
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import Any, TextIO

from inpaint.batch.run import Counts
from inpaint.batch.summary import progress_text

EVERY = 30.0  # seconds between two lines where there is no terminal


class Progress:
    """A bar on a terminal, a line now and then elsewhere, nothing when quiet."""

    def __init__(self, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.quiet, self.stream = quiet, stream or sys.stderr
        self._start = self._told = time.monotonic()
        self._bar: Any = None

    def __call__(self, counts: Counts) -> None:
        """Show how far the run is."""
        if self.quiet:
            return
        if self.stream.isatty():
            self._draw(counts)
        elif time.monotonic() - self._told >= EVERY:
            self._told = time.monotonic()
            print(f"{time.strftime('%H:%M:%S')} {progress_text(counts, self._start)}", file=self.stream, flush=True)

    def _draw(self, counts: Counts) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (BarColumn(), TextColumn("{task.description}"))
            self._bar = Bar(*columns, console=Console(file=self.stream), transient=True)
            self._bar.add_task("", total=max(counts.total, 1))
            self._bar.start()
        task = self._bar.task_ids[0]
        self._bar.update(task, completed=counts.finished, description=progress_text(counts, self._start))

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()


class Stop:
    """The first Ctrl-C (or SIGTERM) asks the run to finish what it has in hand, the second ends it at once.

    Used as a context manager; callable: whether it was asked for.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __call__(self) -> bool:
        """Whether to stop."""
        return self.asked

    def __enter__(self) -> "Stop":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        print("stopping: the photos in hand are finished first, once more stops at once", file=sys.stderr, flush=True)
