"""Batches and their worker processes that are killed or interrupted."""

import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from inpaint.cli import main
from tests.batches import JOURNAL, arguments, batch, folders, journal, records, tree

FORK = multiprocessing.get_context("forkserver")  # imports once; each run is a fork of it
FORK.set_forkserver_preload(["inpaint.batch.session", "inpaint.batch.pool", "inpaint.commands.batch"])


def run_quietly(command):
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    sys.exit(main(command))


def started(root, *extra, output="out"):
    process = FORK.Process(target=run_quietly, args=(arguments(root, "--threads", "1", *extra, output=output),))
    process.start()
    return process


def check_whole(root, output, wanted):
    assert tree(root / output) == wanted  # nothing missing, nothing else, no hidden file left
    done = [r["output"] for r in records(root / output / "inpaint-batch.jsonl", "done")]
    assert len(done) == len(set(done)) == len(wanted)  # nothing was done twice


def test_twenty_kills_at_random_moments_end_with_the_same_outputs(tmp_path):
    folders(tmp_path, 16)
    first = started(tmp_path, output="undisturbed")
    first.join()
    start = time.monotonic()
    shutil.rmtree(tmp_path / "undisturbed")
    first = started(tmp_path, output="undisturbed")
    first.join()
    seconds = time.monotonic() - start
    wanted = tree(tmp_path / "undisturbed")
    assert first.exitcode == 0 and len(wanted) == 16
    rng, kills, number = random.Random(1), 0, 0
    while kills < 20:
        process = started(tmp_path, "--resume", output=f"out{number}")
        process.join(rng.uniform(0, 0.6 * seconds))
        if process.is_alive():
            process.kill()
            kills += 1
        process.join()
        if process.exitcode == 0:
            check_whole(tmp_path, f"out{number}", wanted)
            number += 1
        else:
            assert process.exitcode == -signal.SIGKILL
    last = started(tmp_path, "--resume", output=f"out{number}")
    last.join()
    assert last.exitcode == 0
    check_whole(tmp_path, f"out{number}", wanted)


def test_interrupt_finishes_what_is_in_hand_and_can_be_resumed(tmp_path):
    folders(tmp_path, 30)
    process = started(tmp_path)
    deadline = time.monotonic() + 120
    while not ((tmp_path / JOURNAL).exists() and journal(tmp_path, "done")):
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    process.join()
    end, done = journal(tmp_path, "end")[-1], journal(tmp_path, "done")
    assert process.exitcode == 1 and end["stopped"] and end["failed"] == 0
    assert 0 < len(done) < 30 and len(tree(tmp_path / "out")) == len(done)
    assert len(journal(tmp_path, "ready")) == len(done)
    assert batch(tmp_path, "--resume", "--threads", "1") == 0
    assert len(tree(tmp_path / "out")) == 30


def command_line(root, *extra, workers="2"):
    command = [sys.executable, "-m", "inpaint", *arguments(root, "--threads", "1", *extra, workers=workers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def first_worker(root, process):
    """The process id of the worker that did the first photo."""
    deadline = time.monotonic() + 240
    while True:
        with contextlib.suppress(FileNotFoundError):
            if done := journal(root, "done"):
                return int(done[0]["worker"].rpartition(":")[2])
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)


def test_worker_processes_one_of_which_is_killed(tmp_path):
    folders(tmp_path, 40)
    process = command_line(tmp_path)
    pid = first_worker(tmp_path, process)
    assert pid != process.pid
    os.kill(pid, signal.SIGKILL)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "40 done, 0 failed" in out
    done = journal(tmp_path, "done")
    assert len(done) == len({r["output"] for r in done}) == 40 == len(tree(tmp_path / "out"))
    assert len({r["worker"] for r in done}) >= 2


def test_no_worker_outlives_a_killed_leader(tmp_path):
    folders(tmp_path, 40)
    process = command_line(tmp_path)
    pid = first_worker(tmp_path, process)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{pid}")
    assert batch(tmp_path, "--resume", "--threads", "1") == 0
    check_whole(tmp_path, "out", tree(tmp_path / "out"))
    assert len(tree(tmp_path / "out")) == 40
