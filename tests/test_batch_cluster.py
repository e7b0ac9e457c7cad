import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from inpaint.batch.work import Settings
from inpaint.cli import main
from inpaint.fill_file import FillJob
from tests.batches import arguments, batch, folders, records, tree

pytest.importorskip("ray", reason="ray is not installed: pip install 'inpaint-dilated[cluster]'")
JOURNAL = "out/inpaint-batch.jsonl"


def test_two_workers_one_of_which_is_killed_in_mid_run(tmp_path):
    folders(tmp_path, 40)
    command = [sys.executable, "-m", "inpaint", *arguments(tmp_path, "--ray", "local", workers="2")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    killed, deadline = None, time.monotonic() + 400
    while killed is None:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        with contextlib.suppress(FileNotFoundError):
            if done := records(tmp_path / JOURNAL, "done"):
                killed = done[0]["worker"]
                os.kill(int(killed.rpartition(":")[2]), signal.SIGKILL)
        time.sleep(0.02)
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    assert "40 photos: 40 done, 0 failed" in out
    done = records(tmp_path / JOURNAL, "done")
    assert sum(r["worker"] == killed for r in done) < 40
    assert len(done) == len({r["output"] for r in done}) == 40  # exactly once
    assert batch(tmp_path, output="plain") == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "plain")


def test_a_cluster_that_is_lost_is_said_in_a_sentence(monkeypatch):
    from ray.exceptions import RayActorError

    from inpaint.batch.cluster import Cluster
    from inpaint.errors import InpaintError

    def lost(reference):
        raise RayActorError

    cluster = object.__new__(Cluster)
    cluster._questions, cluster._actors = object(), []
    monkeypatch.setattr("inpaint.batch.cluster.ray.wait", lambda watched, **_: (watched, []))
    monkeypatch.setattr("inpaint.batch.cluster.ray.get", lost)
    with pytest.raises(InpaintError, match=r"the Ray cluster was lost \(.+\); --resume continues"):
        cluster.wait(1.0)


def test_a_cluster_that_is_not_there(tmp_path, capsys):
    folders(tmp_path, 1)
    assert batch(tmp_path, "--ray", "127.0.0.1:1") == 1
    error = capsys.readouterr().err
    assert "there is no Ray cluster at '127.0.0.1:1'" in error and not (tmp_path / "out/a").exists()


@pytest.mark.parametrize(
    ("extra", "words"),
    [(["--max-memory", "8G"], "--max-memory is for one machine"), (["--journal", "j"], "by this process only, not")],
)
def test_what_does_not_go_with_a_cluster(tmp_path, capsys, extra, words):
    folders(tmp_path, 1)
    output = "memory://out" if "--journal" in extra else str(tmp_path / "out")
    inputs = [str(tmp_path / "photos"), "-m", str(tmp_path / "masks"), "-o", output]
    assert main(["batch", *inputs, "--ray", "local", *extra]) == 2
    assert words in capsys.readouterr().err


class _Lost:
    """A cluster of one actor with two photos in hand, one of which was filled just before the actor died."""

    def __init__(self, monkeypatch):
        from ray.exceptions import RayActorError

        from inpaint.batch import cluster

        def get(reference, **_):
            if reference == "lost":
                raise RayActorError
            return {"kind": "done"}

        monkeypatch.setattr(cluster.ray, "wait", lambda watched, **_: (watched[1:], []))
        monkeypatch.setattr(cluster.ray, "get", get)
        monkeypatch.setattr(cluster.ray, "kill", lambda handle: None)
        self.cluster = object.__new__(cluster.Cluster)
        actor = SimpleNamespace(handle=None, prepared=None, in_hand={"a": "lost", "b": "done"}, alone=False)
        self.cluster._questions, self.cluster._actors = "questions", [actor]
        self.cluster._start = lambda: SimpleNamespace(handle=None, prepared="soon", in_hand={}, alone=False)


def test_a_photo_is_either_filled_or_lost(monkeypatch):
    events = _Lost(monkeypatch).cluster.wait(1.0)
    assert [(event.kind, event.output) for event in events] == [("finished", "b"), ("lost", "a")]


def test_a_local_cluster_has_the_cores_that_its_actors_ask_for(monkeypatch):
    from inpaint.batch import cluster

    class Stop(Exception):
        pass

    def init(**options):
        assert options["num_cpus"] == 6
        raise Stop

    monkeypatch.setattr(cluster.ray, "init", init)
    monkeypatch.setattr(cluster.ray, "is_initialized", lambda: False)
    settings = Settings(FillJob(Path(), Path(), Path()), "run", threads=3)
    with pytest.raises(Stop):
        cluster.Cluster(settings, "local", 2)
