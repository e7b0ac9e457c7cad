"""The one description of every fill setting, used by the Python API, the command line and the page."""

from dataclasses import dataclass, field
from numbers import Integral, Real

from inpaint.errors import OptionError

MASK_IS = ("auto", "white", "black", "alpha", "transparent")  # which part of a mask picture is the hole
DEFAULT_MODEL = "dilated"  # network, and name of its weights file
ENGINES = ("auto", "network", "detail", "patch", "telea", "ns")


@dataclass(frozen=True)
class FillOptions:
    """How to fill a hole.

    Args:
        engine: `auto` lets the program choose per hole, the others name one engine.
        dilate: how far the hole is widened before filling, 0 to 256 pixels; helps when a mask is tight.
        seed: of the patch search; the same seed gives the same bytes with the same number of threads.
        candidates: how many different fills to make, 1 to 4; that of the engine chosen is the result.
        context: known surroundings a window takes in on each side, as a multiple of the hole's longer side.

    Raises:
        OptionError: a value is no number or outside its range; the text holds the value.
    """

    engine: str = field(default="auto", metadata={"help": "which engine fills", "choices": ENGINES})
    dilate: int = field(default=0, metadata={"help": "widen the hole by this many pixels, 0 to 256"})
    seed: int = field(default=0, metadata={"help": "seed of the patch search, 0 or more"})
    candidates: int = field(default=1, metadata={"help": "different fills to make, 1 to 4, the chosen one first"})
    context: float = field(default=1.0, metadata={"help": "surroundings of a window in hole sizes, 0.25 to 8"})

    def __post_init__(self) -> None:
        for name in ("dilate", "seed", "candidates"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral):
                raise OptionError(f"{name} must be a whole number, got {value!r}")
            object.__setattr__(self, name, int(value))  # a recipe can be written of these alone
        if isinstance(self.context, bool) or not isinstance(self.context, Real):
            raise OptionError(f"context must be a number, got {self.context!r}")
        object.__setattr__(self, "context", float(self.context))
        if self.engine not in ENGINES:
            raise OptionError(f"engine must be one of {', '.join(ENGINES)}, got {self.engine!r}")
        if not 0 <= self.dilate <= 256:
            raise OptionError(f"dilate must be between 0 and 256 pixels, got {self.dilate}")
        if self.seed < 0:
            raise OptionError(f"seed must be 0 or more, got {self.seed}")
        if not 1 <= self.candidates <= 4:
            raise OptionError(f"candidates must be between 1 and 4, got {self.candidates}")
        if not 0.25 <= self.context <= 8:
            raise OptionError(f"context must be between 0.25 and 8 hole sizes, got {self.context}")
