import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from inpaint.batch.plan import Request, make_plan
from inpaint.batch.session import Means, run_batch
from inpaint.batch.work import Host
from inpaint.errors import Cancelled
from inpaint.fill_file import FillJob
from inpaint.options import FillOptions
from inpaint.web.turns import Turns
from tests.batches import folders, records, tree

NOWHERE = Path()
TELEA = FillJob(NOWHERE, NOWHERE, NOWHERE, FillOptions(engine="telea"))


def led(root, turn, stopping=lambda: False, masks=None):
    request = Request((str(root / "photos"),), masks or str(root / "masks"), str(root / "out"))
    journal = root / "j.jsonl"
    return run_batch(make_plan(request), request, TELEA, Means(0), journal, False, lambda _: None, stopping, Host(turn))


@pytest.mark.parametrize(("masks", "each"), [(None, 1), ("region:bottom-right 50%x50%", 2)])
def test_every_mask_and_fill_takes_a_turn_and_one_at_a_time(tmp_path, masks, each):
    folders(tmp_path, 5)
    turns, inside, most, taken = Turns(), 0, 0, 0
    lock = threading.Lock()

    @contextmanager
    def turn():
        nonlocal inside, most, taken
        with turns.turn("folder:x", always=True):
            with lock:
                inside, taken = inside + 1, taken + 1
                most = max(most, inside)
            yield
            with lock:
                inside -= 1

    counts = led(tmp_path, turn, masks=masks)
    assert (len(counts.done), most) == (5, 1) and turns.running == turns.queued == 0
    assert taken == 5 * each + 1  # and one for what a rule learns from all photos


def test_others_get_their_turn_between_two_photos(tmp_path):
    folders(tmp_path, 12)
    turns, order = Turns(), []
    first = threading.Event()

    @contextmanager
    def turn():
        with turns.turn("folder:x", always=True):
            order.append("folder")
            if len(order) == 3:
                first.set()
                while not turns.queued:  # another person asks meanwhile
                    pass
            yield

    def other():
        first.wait()
        with turns.turn("page:y"):
            order.append("page")

    person = threading.Thread(target=other)
    person.start()
    assert len(led(tmp_path, turn).done) == 12
    person.join()
    assert order.index("page") <= 5 and order.count("folder") == 13


def test_a_photo_whose_turn_is_cancelled_is_left_undone_and_can_be_done_later(tmp_path):
    folders(tmp_path, 4)
    stop, left = threading.Event(), [3]

    @contextmanager
    def turn():
        left[0] -= 1
        if left[0] < 0:
            stop.set()
            raise Cancelled("the work was cancelled")
        yield

    counts = led(tmp_path, turn, stop.is_set)
    assert counts.stopped and not counts.failed and len(counts.done) == 2 == len(tree(tmp_path / "out"))
    end = records(tmp_path / "j.jsonl", "end")[-1]
    assert end["stopped"] and end["done"] == 2


def test_a_full_queue_does_not_fail_the_photos_of_a_folder():
    turns = Turns(waiting=1)
    with turns.turn("a"):
        waiting = turns.ask("b")
        asked = threading.Thread(target=lambda: turns.turn("c", always=True).__enter__())
        asked.start()
        while turns.queued < 2:
            pass
        waiting.done()
    asked.join(10)
    assert not asked.is_alive()
