import subprocess
import sys

import numpy as np
import pytest

from inpaint.filling import kernels
from inpaint.filling.kernels import NO_CACHE, Kernel

WITHOUT_CACHE = """
from numba.core import caching
caching.CacheImpl._locator_classes = []  # what numba finds where neither the package nor the home can be written to
import numpy as np
from inpaint.filling.kernels import Kernel, NO_CACHE
assert Kernel.uncached
from inpaint.inpainter import Inpainter
from inpaint.options import FillOptions
photo, mask = np.full((24, 24, 3), 90, np.uint8), np.zeros((24, 24), bool)
mask[8:16, 8:16] = True
inpainter = Inpainter.load(device="cpu")
first, second = (inpainter.fill(photo, mask, FillOptions(engine="detail")) for _ in range(2))
assert (first.photo == 90).all()
assert first.report.notes == [NO_CACHE] and second.report.notes == []
"""


def add_one(values):
    values += 1


def test_without_a_writable_cache_folder_it_works_and_says_so_once():
    done = subprocess.run([sys.executable, "-c", WITHOUT_CACHE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_cache_that_fails_on_writing_is_given_up(monkeypatch):
    monkeypatch.setattr(Kernel, "uncached", False)
    monkeypatch.setattr(Kernel, "_told", False)

    def refuse(values):
        raise OSError(28, "No space left on device")

    kernel = Kernel(add_one)
    kernel.compiled = refuse
    values = np.zeros(3, np.float32)
    kernel(values)
    assert values.tolist() == [1, 1, 1] and Kernel.complaint() == [NO_CACHE] and Kernel.complaint() == []


def test_kernels_are_kept_on_disk():
    for kernel in (kernels.search, kernels.vote, kernels.transfer):
        if Kernel.uncached:
            pytest.skip("no folder for compiled kernels on this machine")
        assert kernel.compiled.stats.cache_path
