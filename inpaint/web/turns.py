"""Whose turn it is to compute: a bounded queue that page and HTTP API share, fair between those who ask."""

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from inpaint.errors import Cancelled, InpaintError

LOOK = 0.2  # seconds between two looks at whether the slot is still wanted


class Full(InpaintError):
    """The queue takes nobody more; ask again after `retry_after` seconds."""

    retry_after = 5


class Turn:
    """A place in the queue, then a slot.

    Args:
        turns: the queue.
        client: who asked.
    """

    def __init__(self, turns: "Turns", client: str) -> None:
        self.client, self._turns = client, turns
        self.granted: Future[None] = Future()  # resolved when the slot is there

    def done(self) -> None:
        """Give the slot back, or leave the queue; may be called more than once."""
        self._turns._leave(self)


class Turns:
    """Slots for heavy work. Those who wait are served in rounds: one of each client, each client's own in order.

    Args:
        slots: pieces of work at a time.
        waiting: places in the queue.
        each: places that one client may hold; None: half of them.
    """

    def __init__(self, slots: int = 1, waiting: int = 32, each: int | None = None) -> None:
        self.slots, self.waiting = slots, waiting
        self.each = max(1, waiting // 2) if each is None else each
        self._queues: OrderedDict[str, deque[Turn]] = OrderedDict()
        self._running: set[Turn] = set()
        self._lock = threading.Lock()

    @property
    def queued(self) -> int:
        """How many wait."""
        with self._lock:
            return sum(map(len, self._queues.values()))

    @property
    def running(self) -> int:
        """How many slots are taken."""
        with self._lock:
            return len(self._running)

    def ask(self, client: str, always: bool = False) -> Turn:
        """Join the queue.

        Args:
            client: who asks; each name gets its share.
            always: even where the queue is full, for work that was accepted before a restart.

        Raises:
            Full: at once, where all places are taken.
        """
        turn = Turn(self, client)
        with self._lock:
            queued = sum(map(len, self._queues.values()))
            mine = len(self._queues.get(client, ()))
            busy = len(self._running) >= self.slots
            if not always and busy and queued >= self.waiting:
                raise Full(f"the queue is full ({queued} are waiting), try again later")
            if not always and busy and mine >= self.each:
                raise Full(f"{mine} of your requests are waiting already, try again when they are done")
            self._queues.setdefault(client, deque()).append(turn)
        self._serve()
        return turn

    @contextmanager
    def turn(self, client: str, stop: threading.Event | None = None, always: bool = False) -> Iterator[None]:
        """Wait for a slot in this thread and hold it.

        Args:
            client: who asks.
            stop: set by whoever no longer wants it.
            always: as for `ask`.

        Raises:
            Full: at once, where all places are taken.
            Cancelled: `stop` was set in the queue.
        """
        turn = self.ask(client, always)
        try:
            while not turn.granted.done():
                if stop is not None and stop.is_set():
                    raise Cancelled("the work was cancelled")
                with suppress(TimeoutError):
                    turn.granted.result(LOOK)
            yield
        finally:
            turn.done()

    def _leave(self, turn: Turn) -> None:
        with self._lock:
            self._running.discard(turn)
            waiting = self._queues.get(turn.client)
            if waiting and turn in waiting:
                waiting.remove(turn)
                if not waiting:
                    del self._queues[turn.client]
        self._serve()

    def _serve(self) -> None:
        granted = []
        with self._lock:
            while self._queues and len(self._running) < self.slots:
                client, waiting = next(iter(self._queues.items()))
                turn = waiting.popleft()
                if waiting:
                    self._queues.move_to_end(client)
                else:
                    del self._queues[client]
                self._running.add(turn)
                granted.append(turn)
        for turn in granted:
            turn.granted.set_result(None)
