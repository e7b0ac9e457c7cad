import pytest

from inpaint.errors import Cancelled, InpaintError
from inpaint.filling.progress import Progress


def test_stretches_follow_each_other_and_stay_within_the_whole():
    heard = []
    whole = Progress(lambda stage, done: heard.append((stage, round(done, 3))))
    for part in whole.split([1, 3]):
        for piece in part.split([1, 1]):
            piece("work", 0.0)
        part("work", 1.0)
    assert heard == [("work", d) for d in (0, 0.125, 0.25, 0.25, 0.625, 1)]


def test_false_cancels_and_nobody_listening_is_fine():
    with pytest.raises(Cancelled) as error:
        Progress(lambda stage, done: False)("work", 0.5)
    assert isinstance(error.value, InpaintError)
    Progress()("work", 0.5)
    assert [part.start for part in Progress().split([0, 0])] == [0, 0]
