"""Which photos the benchmarks take: sets that are evenly spread, and apart."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.photos import photos, spread


@pytest.mark.parametrize(("there", "count"), [(100, 64), (1000, 64), (127, 64), (64, 64), (5184, 120), (129, 43)])
def test_sets_cover_all_photos_evenly_and_do_not_meet(there, count):
    sets = [spread(there, count, first) for first in range(there // count)]
    for chosen in sets:
        assert len(chosen) == count and chosen[0] < there / count and there - chosen[-1] <= np.ceil(there / count)
        assert np.ptp(np.diff(chosen)) <= 1
    assert len(set().union(*sets)) == count * len(sets) and max(map(max, sets)) < there
    with pytest.raises(SystemExit, match=f"{there} photos hold {there // count} sets of {count}, so the first must be"):
        spread(there, count, there // count)


def test_few_photos_are_all_taken_once_and_hold_no_second_set(tmp_path):
    for k in range(3):
        Image.fromarray(np.full((8, 8, 3), 10 * k, np.uint8)).save(tmp_path / f"{k}.png")
    assert [int(photo[0, 0, 0]) for photo in photos([tmp_path], 5, 8)] == [0, 10, 20]
    assert [int(photo[0, 0, 0]) for photo in photos([tmp_path], 1, 8, 2)] == [20]
    with pytest.raises(SystemExit, match="3 photos hold 1 sets of 2, so the first must be below 1, got 1"):
        list(photos([tmp_path], 2, 8, 1))
