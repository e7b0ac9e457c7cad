"""Whether another run of a folder fits into memory beside those that go on."""

import threading

from inpaint.batch.memory import LEADER, PHOTO, WORKER, physical_memory


class Room:
    """Memory that runs side by side share: one that does not fit beside the others waits, as do those who came later.

    Args:
        most: bytes for the photos of all runs; None: no limit.
    """

    def __init__(self, most: int | None) -> None:
        self.most = most
        self._inside: dict[object, int] = {}
        self._waiting: list[object] = []
        self._lock = threading.Lock()

    @classmethod
    def of_machine(cls) -> "Room":
        """As much as `inpaint batch` takes of this machine."""
        memory = physical_memory()
        return cls(None if memory is None else max(int(0.8 * memory) - LEADER - WORKER, PHOTO))

    def enter(self, job: object, wanted: int) -> bool:
        """Whether a run may begin now; if not, ask again. A run alone always may."""
        with self._lock:
            if job not in self._waiting:
                self._waiting.append(job)
            fits = not self._inside or self.most is None or sum(self._inside.values()) + wanted <= self.most
            if self._waiting[0] is not job or not fits:
                return False
            self._inside[self._waiting.pop(0)] = wanted
            return True

    def leave(self, job: object) -> None:
        """A run has ended, or waits no more."""
        with self._lock:
            self._inside.pop(job, None)
            if job in self._waiting:
                self._waiting.remove(job)
