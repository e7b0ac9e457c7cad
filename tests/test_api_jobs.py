"""Jobs: accepted at once, told step by step, cancelled, expired, private, and taken up again after a restart."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import httpx
import pytest

from inpaint.errors import OutputError
from inpaint.options import FillOptions
from inpaint.web.keys import add_key, load_keys
from inpaint.web.service import ApiLimits
from tests.api_server import ServedApi, mask_file, picture, sample
from tests.test_api_guard import SlowWorkers


def begin(client, photo=None, mask=None, **settings):
    values, hole = sample()
    files = {"photo": photo or picture(values), "mask": mask or mask_file(hole)}
    return client.post("/v1/jobs", files=files, **settings)


def ended(client, name, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        job = client.get(f"/v1/jobs/{name}").json()
        if job["state"] in ("done", "failed", "cancelled"):
            return job
        time.sleep(0.05)
    raise AssertionError(job)


def events(text):
    parts = [dict(line.split(": ", 1) for line in part.splitlines()) for part in text.strip().split("\n\n")]
    return [(part["event"], json.loads(part["data"])) for part in parts]


def test_a_job_and_its_events():
    with ServedApi() as served:
        client = served.client
        photo, hole = sample(240, 320)
        asked = {"seed": "5", "engine": "detail"}
        accepted = begin(client, picture(photo, "JPEG"), mask_file(hole), data=asked)
        assert accepted.status_code == 202
        name = accepted.json()["id"]
        told = client.get(f"/v1/jobs/{name}/events")
        assert told.headers["content-type"].startswith("text/event-stream")
        told = events(told.text)
        assert told[-1][0] == "done" and told[-1][1]["report"]["holes"][0]["seed"] == 5
        progress = [job["progress"] for _, job in told]
        assert progress == sorted(progress) and progress[-1] == 1
        result = client.get(f"/v1/jobs/{name}/result")
        direct = client.post(
            "/v1/fill", files={"photo": picture(photo, "JPEG"), "mask": mask_file(hole)}, data=asked
        )
        assert result.content == direct.content and result.headers["content-type"] == "image/jpeg"
        failed = ended(client, begin(client, b"hello").json()["id"])
        assert failed["state"] == "failed" and "is not a picture" in failed["error"]["detail"]
        assert client.get(f"/v1/jobs/{failed['id']}/result").status_code == 409
        assert client.delete(f"/v1/jobs/{name}").status_code == 200
        assert client.get(f"/v1/jobs/{name}").status_code == 404
        assert not served.service.jobs.folder(name).exists()


def test_cancel_expire_and_full():
    workers = SlowWorkers()
    limits = ApiLimits(per_minute=0, waiting=2, keep_seconds=0.5)
    with ServedApi(workers=workers, limits=limits) as served:
        client = served.client
        running, waiting = begin(client).json()["id"], begin(client).json()["id"]
        assert begin(client).status_code == 503
        assert len(list(served.service.jobs.root.iterdir())) == 2
        assert client.delete(f"/v1/jobs/{waiting}").json()["state"] == "cancelled"
        assert client.delete(f"/v1/jobs/{running}").json()["state"] == "cancelled"
        until = time.monotonic() + 10
        while not workers.stopped and time.monotonic() < until:
            time.sleep(0.02)
        assert workers.stopped == 1
        workers.go.set()
        name = begin(client).json()["id"]
        assert ended(client, name)["state"] == "done"
        while client.get(f"/v1/jobs/{name}").status_code == 200 and time.monotonic() < until:
            time.sleep(0.1)
        assert client.get(f"/v1/jobs/{name}").status_code == 404


def test_a_job_is_its_owners(tmp_path):
    ann, bob = add_key(tmp_path / "keys", "ann"), add_key(tmp_path / "keys", "bob")
    workers = SlowWorkers()
    workers.go.set()
    with ServedApi(workers=workers, keys=load_keys(tmp_path / "keys")) as served:
        name = begin(served.client, headers={"x-api-key": ann}).json()["id"]
        for path in ("", "/events", "/result"):
            assert served.client.get(f"/v1/jobs/{name}{path}", headers={"x-api-key": bob}).status_code == 404
        assert served.client.delete(f"/v1/jobs/{name}", headers={"x-api-key": bob}).status_code == 404
        assert served.client.get(f"/v1/jobs/{name}", headers={"x-api-key": ann}).status_code == 200


def start(folder, port):
    command = [sys.executable, "-m", "inpaint", "serve", "--no-page", "--port", str(port), "--jobs", str(folder),
               "--device", "cpu", "--threads", "1", "--per-minute", "0"]  # fmt: skip
    (folder.parent / "tmp").mkdir(exist_ok=True)
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        env=os.environ | {"TMPDIR": str(folder.parent / "tmp")},
    )  # fmt: skip
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            if client.get("/ready").status_code == 200:
                return process, client
        except httpx.ConnectError:
            assert process.poll() is None
        time.sleep(0.1)
    raise AssertionError("not ready")


def test_kill_and_restart_lose_no_job(tmp_path, unused_port):
    photo, hole = sample(600, 800)
    process, client = start(tmp_path / "jobs", unused_port)
    try:
        names = [begin(client, picture(photo), mask_file(hole)).json()["id"] for _ in range(3)]
        while client.get(f"/v1/jobs/{names[0]}").json()["state"] == "waiting":
            time.sleep(0.01)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        for left in (tmp_path / "tmp").iterdir():  # nothing could remove it
            shutil.rmtree(left)
    left = {job: sorted(p.name for p in (tmp_path / "jobs" / job).iterdir()) for job in names}
    assert all({"photo", "mask", "job.json"} <= set(files) for files in left.values())
    (tmp_path / "jobs" / ("x" * 32)).mkdir()  # as of an upload that never ended
    process, client = start(tmp_path / "jobs", unused_port)
    try:
        jobs = [ended(client, name, 120) for name in names]
        assert [job["state"] for job in jobs] == ["done"] * 3
        results = {client.get(f"/v1/jobs/{name}/result").content for name in names}
        assert len(results) == 1 and len(results.pop()) > 1000
        assert not (tmp_path / "jobs" / ("x" * 32)).exists()
        waiting = [begin(client, picture(photo), mask_file(hole)).json()["id"] for _ in range(3)]
        while client.get(f"/v1/jobs/{waiting[0]}").json()["state"] == "waiting":
            time.sleep(0.01)
    finally:
        process.terminate()
        assert process.wait(60) == 0
        assert not list(tmp_path.glob("tmp/*"))
    states = [json.loads((tmp_path / "jobs" / job / "job.json").read_bytes())["state"] for job in waiting]
    assert states[0] == "done" and "failed" not in states and "cancelled" not in states


@pytest.fixture
def unused_port():
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_job_that_cannot_be_kept_gives_its_place_back(monkeypatch):
    slow = SlowWorkers()
    slow.go.set()
    with ServedApi(workers=slow) as served:

        def full(job):
            raise OutputError("job.json: cannot be written (No space left on device)")

        with monkeypatch.context() as patch:
            patch.setattr(served.service.jobs, "_keep", full)
            assert begin(served.client).status_code >= 400
        assert served.service.turns.running == 0 and not served.service.jobs._jobs
        assert ended(served.client, begin(served.client).json()["id"])["state"] == "done"


@pytest.mark.parametrize("fault", ["option", "process"])
def test_a_job_that_cannot_begin_fails_and_gives_its_place_back(monkeypatch, fault):
    slow = SlowWorkers()
    slow.go.set()
    with ServedApi(workers=slow) as served:
        with monkeypatch.context() as patch:
            if fault == "option":
                patch.setattr("inpaint.web.jobs.FillOptions", lambda **_: FillOptions(of_another_version=1))
            else:
                patch.setattr(slow, "do", lambda *_: (_ for _ in ()).throw(BlockingIOError(11, "no process")))
            failed = ended(served.client, begin(served.client).json()["id"])
        assert failed["state"] == "failed" and "its log says what" in failed["error"]["detail"]
        assert served.service.turns.running == 0
        assert ended(served.client, begin(served.client).json()["id"])["state"] == "done"
