"""The networks that a page offers, each loaded when it is first used."""

import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from inpaint.errors import OptionError
from inpaint.inpainter import Inpainter
from inpaint.options import DEFAULT_MODEL, FillOptions


class Networks:
    """Networks by name.

    Args:
        weights: name -> weights file, None for the shipped one; the first is the default.
        device: `auto`, `cpu`, `cuda` or `mps`.
        loaded: inpainters that exist already.
    """

    def __init__(
        self, weights: Mapping[str, Path | None], device: str = "auto", loaded: Mapping[str, Inpainter] | None = None
    ) -> None:
        self.weights, self.device = dict(weights), device
        self._loaded = dict(loaded or {})
        self._lock = threading.Lock()

    @classmethod
    def of(cls, inpainter: Inpainter, name: str = DEFAULT_MODEL) -> "Networks":
        """Just one, which is loaded."""
        return cls({name: None}, loaded={name: inpainter})

    @property
    def names(self) -> list[str]:
        """All names, the default first."""
        return list(self.weights)

    def get(self, name: str | None = None) -> Inpainter:
        """The inpainter of a name; None or "" means the default.

        Raises:
            OptionError: not offered here.
            WeightsError: its weights cannot be used.
        """
        name = name or self.names[0]
        if name not in self.weights:
            raise OptionError(f"model must be one of {', '.join(self.weights)}, got {name!r}")
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = Inpainter.load(name, self.weights[name], self.device)
            return self._loaded[name]

    def warm_up(self) -> None:
        """Fill a small picture, so that the first person does not wait for kernels to be compiled."""
        photo = np.zeros((64, 64, 3), np.uint8)
        photo[::2] = 200
        mask = np.zeros((64, 64), bool)
        mask[24:40, 24:40] = True
        self.get().fill(photo, mask, FillOptions(engine="detail"))
