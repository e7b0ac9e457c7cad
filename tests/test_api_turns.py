"""The queue: bounded, fair, and given back whatever happens."""

import threading

import pytest

from inpaint.errors import Cancelled
from inpaint.web.turns import Full, Turns


def served(turns, waiting):
    """The order in which those who wait are granted, each giving its slot back at once."""
    order = []
    while waiting:
        granted = [turn for turn in waiting if turn.granted.done()]
        assert len(granted) == 1
        order.append(granted[0].client)
        waiting.remove(granted[0])
        granted[0].done()
    return order


def test_one_slot_at_a_time_and_rounds_between_clients():
    turns = Turns(slots=1, waiting=10)
    first = turns.ask("a")
    assert first.granted.done() and turns.running == 1
    waiting = [turns.ask(c) for c in ("a", "a", "a", "b", "c", "b")]
    assert turns.queued == 6 and not any(turn.granted.done() for turn in waiting)
    first.done()
    assert served(turns, waiting) == ["a", "b", "c", "a", "b", "a"]
    assert (turns.queued, turns.running) == (0, 0)


def test_full_at_once():
    turns = Turns(slots=1, waiting=2, each=2)
    running = turns.ask("a")
    turns.ask("b"), turns.ask("c")
    with pytest.raises(Full, match="queue is full"):
        turns.ask("d")
    turns.ask("e", always=True)
    assert turns.queued == 3
    running.done()


def test_one_client_cannot_take_all_places():
    turns = Turns(slots=1, waiting=4)
    turns.ask("a"), turns.ask("a"), turns.ask("a")
    with pytest.raises(Full, match="2 of your requests"):
        turns.ask("a")
    turns.ask("b")


def test_leaving_the_queue_and_twice_done():
    turns = Turns(slots=2, waiting=4)
    one, two, three = (turns.ask(c) for c in "abc")
    assert two.granted.done() and not three.granted.done()
    three.done()
    assert turns.queued == 0
    one.done(), one.done()
    assert turns.running == 1
    assert turns.ask("d").granted.done() and turns.running == 2


def test_turn_in_a_thread_waits_and_can_be_stopped():
    turns, stop, order = Turns(), threading.Event(), []
    held = turns.ask("a")

    def wait():
        with turns.turn("b"):
            order.append("b")

    thread = threading.Thread(target=wait)
    thread.start()
    with pytest.raises(Cancelled):
        stop.set()
        with turns.turn("c", stop):
            order.append("c")
    assert order == []
    held.done()
    thread.join(5)
    assert order == ["b"] and turns.running == 0 and turns.queued == 0
