"""A second Ctrl-C ends a run at once, whoever fills."""

import signal
import subprocess
import sys
import time

import pytest

from tests.batches import arguments, folders, records

# Threads that hold Python's lock only now and then, as those of a fill: at an exit by Python they crash the process.
BUSY = """
import os, signal, sys, threading, time
from inpaint import cli
from inpaint.batch import work
def fill(self, *args, **kwargs):
    import torch
    os.write(1, b"filling\\n")  # in one piece: two threads do so at once
    while True:
        torch.nn.functional.conv2d(torch.rand(1, 32, 200, 200), torch.rand(32, 32, 3, 3))
work.TurnTaking.fill = fill
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_threads_that_fill(tmp_path, number):
    folders(tmp_path, 3)
    command = [sys.executable, "-c", BUSY, *arguments(tmp_path, "--threads", "1")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "filling\n"
    process.send_signal(number)
    assert "once more stops at once" in process.stderr.readline()
    time.sleep(0.3)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    journal = tmp_path / "out/inpaint-batch.jsonl"
    assert (process.returncode, error) == (1, f"error: stopped at once; --resume continues ({journal})\n")
    assert not records(journal, "end") and records(journal, "begin")
