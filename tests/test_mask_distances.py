"""Distances through a picture, also where compiled loops cannot be kept."""

import subprocess
import sys

import numpy as np
import pytest

from inpaint.masking.distances import barrier_distance, geodesic_distance

WITHOUT_CACHE = """
from numba.core import caching
caching.CacheImpl._locator_classes = []  # what numba finds where neither the package nor the home can be written to
import numpy as np
from inpaint.masking.object import object_mask
photo = np.full((40, 60, 3), 90, np.uint8)
photo[10:30, 20:40] = 220
found = object_mask(photo, clicks=[(30, 20)])
assert found[15, 30] and not found[2, 2]
"""


def test_barrier_is_the_range_on_the_way():
    values = np.array([[0, 3, 1, 5]], np.float32)
    seeds = np.array([[True, False, False, False]])
    assert barrier_distance(values, seeds).tolist() == [[0, 3, 3, 5]]


def test_geodesic_counts_colour_and_steps():
    colours = np.repeat(np.array([[0, 3, 3]], np.float32)[..., None], 3, axis=2)
    distance = geodesic_distance(colours, np.array([[True, False, False]]), step=0.5)
    assert distance[0] == pytest.approx([0, 27**0.5 + 0.5, 27**0.5 + 1])


def test_objects_are_found_where_no_folder_can_be_written_to():
    done = subprocess.run([sys.executable, "-c", WITHOUT_CACHE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
