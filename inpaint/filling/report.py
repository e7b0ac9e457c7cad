"""What a fill did, for people and machines."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from numpy.typing import NDArray

Pixels = NDArray[Any]  # uint8 or uint16 (H, W, 3) RGB


@dataclass
class HoleReport:
    """What was done in one window.

    Args:
        engine: what filled it.
        seed: of its patch search.
        box: left, top, right, bottom of the window (pixels, ends excluded).
        hole_pixels: filled by this window.
        shrunk: by which factor the window was shrunk to be worked on; 1 for most.
        hole_depth: distance of the farthest hole pixel from a known one (pixels).
        network_reach: how far the network sees from a pixel (pixels of the photo); None where it was not asked.
        seam: steps across the seam against steps between known pixels; about 1 for an invisible seam.
        scores: the figures that the choice of an engine rests on, by name.
        reason: why this engine, one sentence.
    """

    engine: str
    seed: int
    box: tuple[int, int, int, int]
    hole_pixels: int
    shrunk: int
    hole_depth: float
    network_reach: float | None
    seam: float
    scores: dict[str, float] = field(default_factory=dict)
    reason: str = ""


@dataclass
class CandidateReport:
    """One of several fills: its engines, the seed of its patch search, and its mean seam (1 = invisible)."""

    engines: str
    seed: int
    seam: float


@dataclass
class FillReport:
    """What a fill did: size of the photo, the numbers that the network computes with (`float32` or `bfloat16`), every
    hole, every candidate (best first), seconds by stage, and notes."""

    width: int
    height: int
    filled_pixels: int
    precision: str = "float32"
    holes: list[HoleReport] = field(default_factory=list)
    candidates: list[CandidateReport] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def engines(self) -> str:
        """The engines that filled something, in one string for people."""
        return ", ".join(sorted({hole.engine for hole in self.holes}))

    def to_json(self) -> str:
        """The report as JSON text."""
        return json.dumps(asdict(self), indent=2)


@dataclass(frozen=True)
class FillResult:
    """The filled photo, uint8 or uint16 (H, W, 3) RGB as it came; the report; all candidates that differ, that of the
    engine chosen first."""

    photo: Pixels
    report: FillReport
    candidates: list[Pixels] = field(default_factory=list)
