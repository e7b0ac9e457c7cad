"""Memory that libraries would keep after fills."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from inpaint.filling import memory
from tests.conftest import scene

CAPACITY = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
LEAK = """
import os
from inpaint.filling.memory import LARGE, give_back

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

blocks = [bytearray(60_000) for _ in range(2000)]  # below the size from which on glibc maps blocks of their own
pinned = bytearray(60_000)
full = resident()
del blocks
kept = resident()
give_back(LARGE - 1)
small = resident()
give_back(LARGE)
print(full, kept, small, resident())
"""


def run(code: str, **environment: str) -> list[str]:
    settings = {name: value for name, value in os.environ.items() if name != CAPACITY} | environment
    done = subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_users_own_bound_is_kept(monkeypatch):
    monkeypatch.delenv(CAPACITY, raising=False)
    memory.bound_caches()
    assert os.environ[CAPACITY] == str(memory.PRIMITIVES)
    monkeypatch.setenv(CAPACITY, "7")
    memory.bound_caches()
    assert os.environ[CAPACITY] == "7"


def test_a_network_is_loaded_with_the_bound():
    code = f"import os; from inpaint import Inpainter; Inpainter.load(device='cpu'); print(os.environ['{CAPACITY}'])"
    assert run(code) == [str(memory.PRIMITIVES)]


@pytest.mark.skipif(
    memory._trim() is None or not Path("/proc/self/statm").exists(), reason="the C library cannot give memory back"
)
def test_what_a_large_fill_freed_goes_back():
    full, kept, small, after = map(int, run(LEAK))
    assert kept > full - 20_000_000 and small > full - 20_000_000  # the C library held on to it
    assert after < full - 100_000_000


def test_a_library_without_the_call_is_no_error(monkeypatch):
    def missing(name: None) -> None:
        raise OSError("no such library")

    monkeypatch.setattr(memory.ctypes, "CDLL", missing)
    memory._trim.cache_clear()
    try:
        memory.give_back(memory.LARGE)
    finally:
        memory._trim.cache_clear()


def test_every_fill_says_how_large_its_windows_were(inpainter, monkeypatch):
    said: list[int] = []
    monkeypatch.setattr("inpaint.inpainter.give_back", said.append)
    photo, mask = scene(96, 128), np.zeros((96, 128), bool)
    mask[40:60, 50:70] = True
    inpainter.fill(photo, mask)
    assert len(said) == 1 and mask.sum() < said[0] <= mask.size
