"""Progress of a fill, and the way to stop it."""

from collections.abc import Callable, Iterator

from inpaint.errors import Cancelled

Listener = Callable[[str, float], bool | None]  # (stage, done in [0, 1]); returning False stops the fill


class Progress:
    """A stretch of a fill; stages report how far they are within it, the listener hears of the whole.

    Args:
        listener: called as (stage, done in [0, 1]), never with less than before; None for nobody.
        start, end: the stretch within the whole, 0 to 1.
    """

    def __init__(self, listener: Listener | None = None, start: float = 0.0, end: float = 1.0) -> None:
        self.listener, self.start, self.end = listener, start, end

    def __call__(self, stage: str, done: float) -> None:
        """Say how much of this stretch is done, 0 to 1.

        Raises:
            Cancelled: the listener returned False.
        """
        if self.listener is None:
            return
        share = min(1.0, max(0.0, self.start + (self.end - self.start) * done))
        if self.listener(stage, share) is False:
            raise Cancelled("the fill was cancelled")

    def split(self, weights: list[float]) -> Iterator["Progress"]:
        """Consecutive stretches whose lengths are as the weights (not negative)."""
        total, begun = max(sum(weights), 1e-9), 0.0
        for weight in weights:
            length = self.end - self.start
            yield Progress(
                self.listener, self.start + length * begun / total, self.start + length * (begun + weight) / total
            )
            begun += weight
