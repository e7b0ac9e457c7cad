import sys

import cv2
import fsspec
import numpy as np
import pytest
from PIL import Image

from benchmarks.batch import watched
from inpaint.batch.journal import Journal
from inpaint.batch.memory import LEADER, PER_PIXEL, PHOTO, WORKER, least_memory, parse_bytes, photo_bytes, workers_for
from inpaint.batch.plan import Task
from inpaint.batch.pool import Event
from inpaint.batch.run import Budget, Counts, run_tasks
from inpaint.cli import main
from inpaint.errors import OptionError
from tests.batches import arguments, folders, records
from tests.conftest import scene

HEIGHT, WIDTH, COUNT = 2400, 3000, 4


@pytest.mark.parametrize(("text", "value"), [("6G", 6 << 30), ("1.5 GiB", 3 << 29), ("800M", 800 << 20), ("99", 99)])
def test_sizes_of_memory(text, value):
    assert parse_bytes(text) == value


@pytest.mark.parametrize("text", ["", "0", "G", "-1G", "5X"])
def test_wrong_sizes_of_memory(text):
    with pytest.raises(OptionError):
        parse_bytes(text)


def test_workers_that_a_memory_is_good_for():
    assert workers_for(8, None, 100) == 8 and workers_for(8, None, 3) == 3
    assert workers_for(8, LEADER + 3 * (WORKER + PHOTO), 100) == 3 and workers_for(8, LEADER, 100) == 1


class Hand:
    """A pool that finishes one photo at each look and remembers the most it had in hand."""

    def __init__(self):
        self.in_hand, self.most = [], 0

    def room(self, alone):
        return len(self.in_hand) < 4

    def submit(self, task, known, alone=False):
        self.in_hand.append(task)
        self.most = max(self.most, len(self.in_hand))

    def wait(self, seconds):
        task = self.in_hand.pop(0)
        return [Event("finished", task.output, record={"kind": "done", "output": task.output})]


@pytest.mark.parametrize(("limit", "most", "failed"), [(None, 4, 0), (25, 2, 0), (10, 1, 0), (9, 0, 6)])
def test_photos_wait_until_there_is_memory_for_them(tmp_path, limit, most, failed):
    tasks = [Task(f"p{k}", (), "alpha", f"o{k}", "") for k in range(6)]
    pool, counts = Hand(), Counts(6)
    with Journal(tmp_path / "j") as journal:
        run_tasks(tasks, {}, pool, journal, counts, Budget(limit, lambda _: 10), lambda _: None, lambda: False)
    assert (pool.most, len(counts.failed), len(counts.done)) == (most, failed, 6 - failed)
    assert all("--max-memory leaves" in record["reason"] for record in counts.failed)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Photos of 7 megapixels with a small hole each; decoded, filled and proved, each takes some 200 MB."""
    root = tmp_path_factory.mktemp("large")
    (root / "photos").mkdir()
    (root / "masks").mkdir()
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[1000:1100, 1400:1500] = 255
    for k in range(COUNT):
        small = Image.fromarray(scene(HEIGHT // 8, WIDTH // 8, k))
        small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(root / f"photos/{k}.jpg", quality=90)
        Image.fromarray(mask).save(root / f"masks/{k}.png")
    return root


@pytest.mark.skipif(sys.platform != "linux", reason="memory of a tree of processes is read from /proc")
@pytest.mark.parametrize("workers", ["0", "1", "2"])
def test_all_processes_together_stay_below_the_limit(large, workers):
    limit = least_memory(int(workers))  # with room for one photo at a time
    command = [*arguments(large, "--max-memory", str(limit), "--threads", "1", "--overwrite", workers=workers)]
    ended, watch = watched([sys.executable, "-m", "inpaint", *command])
    assert ended.returncode == 0, ended.stderr
    assert len(records(large / "out/inpaint-batch.jsonl", "done")) >= COUNT
    assert watch.most >= (3 if workers != "0" else 1)
    assert watch.peak <= limit, f"{watch.peak >> 20} of {limit >> 20} MiB"
    assert watch.peak > 0.3 * limit  # the measurement saw them


def test_a_photo_that_could_never_be_held_fails_with_that_reason(tmp_path, capsys):
    folders(tmp_path, 1)
    Image.new("RGB", (8000, 8000)).save(tmp_path / "photos/a/photo00.png")
    assert main(arguments(tmp_path, "--max-memory", str(least_memory(1)))) == 1
    assert "photo00.png: needs about 2,441 MiB of memory, --max-memory leaves" in capsys.readouterr().err


def test_more_workers_than_the_memory_holds_are_refused(tmp_path, capsys):
    folders(tmp_path, 1)
    assert main(arguments(tmp_path, "--max-memory", "2G", workers="8")) == 2
    assert "max-memory must be at least 5500M for 8 workers and a photo" in capsys.readouterr().err


def test_sixteen_bits_count_twice(tmp_path):
    for name, dtype in (("eight", np.uint8), ("deep", np.uint16)):
        for ending in ("png", "tif"):
            cv2.imwrite(str(tmp_path / f"{name}.{ending}"), np.zeros((30, 20, 3), dtype))
    Image.new("RGB", (20, 30)).save(tmp_path / "eight.jpg")
    counted = {
        path.name: photo_bytes(Task(str(path), (), "", "", "")) // (30 * 20 * PER_PIXEL)
        for path in sorted(tmp_path.iterdir())
    }
    assert counted == {"deep.png": 2, "deep.tif": 2, "eight.jpg": 1, "eight.png": 1, "eight.tif": 2}
    assert photo_bytes(Task(str(tmp_path / "none.png"), (), "", "", "")) is None


def test_a_photo_elsewhere_is_opened_once(tmp_path, monkeypatch):
    system = fsspec.filesystem("memory")
    cv2.imwrite(str(tmp_path / "deep.png"), np.zeros((30, 20, 3), np.uint16))
    system.pipe_file("counted/deep.png", (tmp_path / "deep.png").read_bytes())
    system.pipe_file("counted/bad.png", b"\x89PNG")
    opened, really = [], type(system).open
    monkeypatch.setattr(type(system), "open", lambda self, *a, **k: opened.append(a) or really(self, *a, **k))
    assert photo_bytes(Task("memory://counted/deep.png", (), "", "", "")) == 30 * 20 * PER_PIXEL * 2
    assert len(opened) == 1
    assert photo_bytes(Task("memory://counted/bad.png", (), "", "", "")) is None and len(opened) == 2
