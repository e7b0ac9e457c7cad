"""Keys, rates, sizes, origins, the full queue: what is refused before any work, and in whose words."""

import json
import socket
import threading
import time

import httpx
import numpy as np
import pytest

from inpaint.errors import OptionError
from inpaint.web.guard import Rates, _own_name
from inpaint.web.keys import add_key, load_keys
from inpaint.web.replies import short_report
from inpaint.web.service import ApiLimits
from inpaint.web.tasks import Outcome
from tests.api_server import ServedApi, b64, mask_file, metric, picture, sample


class SlowWorkers:
    """In place of worker processes: each task takes until `go`, and writes its photo back."""

    def __init__(self):
        self.go, self.all, self.models = threading.Event(), [], [{"name": "dilated", "default": True}]
        self.order, self.stopped = [], 0

    def start(self):
        pass

    def do(self, task, tell, deadline, stop):
        self.order.append((task.folder / "photo").read_bytes()[:1])
        while not self.go.wait(0.02):
            if stop.is_set():
                self.stopped += 1
                break
        (task.folder / "out").write_bytes(b"filled")
        return Outcome("out", "image/png", {"width": 1})

    def close(self):
        pass


def fill(client, photo=b"p", **settings):
    return client.post("/v1/fill", files={"photo": photo, "mask": b"m"}, **settings)


def test_keys_file(tmp_path, monkeypatch):
    monkeypatch.delenv("INPAINT_API_KEYS", raising=False)
    path = tmp_path / "keys"
    assert load_keys(None) is None
    old, ann, bob = add_key(path, "ann"), add_key(path, "ann"), add_key(path, "bob")
    assert ann not in path.read_text() and path.stat().st_mode & 0o077 == 0
    keys = load_keys(path)
    assert (keys.name(ann), keys.name(bob), keys.name(old), keys.name("")) == ("ann", "bob", None, None)
    monkeypatch.setenv("INPAINT_API_KEYS", path.read_text().replace("\n", ","))
    assert load_keys(None).name(bob) == "bob"
    for text, what in (("ann:secret\n", "line 1 is not name:sha256"), ("# nothing\n", "holds no key")):
        path.write_text(text)
        with pytest.raises(OptionError, match=what):
            load_keys(path)
    with pytest.raises(OptionError, match="cannot be read"):
        load_keys(tmp_path / "absent")
    with pytest.raises(OptionError, match="name is plain text"):
        add_key(path, "a:b")


def test_who_may_come(tmp_path):
    key = add_key(tmp_path / "keys", "ann")
    workers = SlowWorkers()
    workers.go.set()
    with ServedApi(workers=workers, keys=load_keys(tmp_path / "keys")) as served:
        client = served.client
        for path in ("/health", "/ready", "/openapi.json", "/docs"):
            assert client.get(path).status_code == 200
        for path, body in (
            ("/v1/models", {"error": "Unauthorized"}), ("/metrics", {"error": "Unauthorized"}),
            ("/api/v1/model", {"error": "Unauthorized", "body": ""}),
        ):  # fmt: skip
            reply = client.get(path)
            assert reply.status_code == 401 and body.items() <= reply.json().items()
        assert set(client.post("/cleanup/v1").json()) == {"error"}
        assert client.get("/v1/models", headers={"x-api-key": "wrong"}).status_code == 401
        assert client.get("/v1/models", headers={"x-api-key": key}).status_code == 200
        assert client.get("/metrics", headers={"Authorization": f"Bearer {key}"}).status_code == 200
        assert fill(client, headers={"x-api-key": key}).content == b"filled"
        schema = client.get("/openapi.json").json()
        assert {"key": []} in schema["security"] and "/v1/fill" in schema["paths"]


def test_rates():
    rates = Rates(2)
    assert (rates.wait("a", 0), rates.wait("a", 10), rates.wait("a", 20)) == (0, 0, 40)
    assert rates.wait("b", 20) == 0 and rates.wait("a", 60.5) == 0 and rates.wait("a", 61) == pytest.approx(9)
    assert Rates(0).wait("a", 0) == 0


def test_too_many_requests_a_minute():
    with ServedApi(workers=SlowWorkers(), limits=ApiLimits(per_minute=3)) as served:
        codes = [served.client.get("/v1/models").status_code for _ in range(5)]
        refused = served.client.get("/api/v1/model")
        assert codes == [200, 200, 200, 429, 429]
        assert 0 < int(refused.headers["retry-after"]) <= 60 and refused.json()["errors"]
        assert served.client.get("/ready").status_code == 200
        assert metric(served.client, "inpaint_requests_total", status="429") == 3


def test_too_many_bytes():
    workers = SlowWorkers()
    workers.go.set()
    with ServedApi(workers=workers, limits=ApiLimits(body_bytes=50_000, per_minute=0)) as served:
        reply = fill(served.client, b"x" * 60_000)
        assert reply.status_code == 413 and reply.json()["error"] == "TooLarge"

        def endless():
            yield b'--b\r\nContent-Disposition: form-data; name="photo"; filename="p"\r\n\r\n'
            for _ in range(1000):
                yield b"x" * 1000

        head = {"Content-Type": "multipart/form-data; boundary=b"}
        try:
            code = served.client.post("/v1/fill", content=endless(), headers=head).status_code
        except httpx.WriteError:  # refused and hung up in the middle of it
            code = 413
        assert code == 413
        assert fill(served.client).status_code == 200
        deadline = time.monotonic() + 10  # a reply is out before its request's bytes are written off
        while served.service.bytes_coming and time.monotonic() < deadline:
            time.sleep(0.01)
        assert served.service.bytes_coming == 0


def test_pages_of_elsewhere_are_refused_and_cors_is_off():
    with ServedApi(workers=SlowWorkers()) as served:
        reply = served.client.get("/v1/models", headers={"Origin": "https://evil.example"})
        assert reply.status_code == 403 and "access-control-allow-origin" not in reply.headers
        assert served.client.get("/v1/models", headers={"Origin": served.address}).status_code == 200
    with ServedApi(workers=SlowWorkers(), origins=("https://shop.example",)) as served:
        reply = served.client.get("/v1/models", headers={"Origin": "https://shop.example"})
        assert reply.status_code == 200 and reply.headers["access-control-allow-origin"] == "https://shop.example"
        assert "X-Seed" in reply.headers["access-control-expose-headers"]
        ask = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        assert "access-control-allow-origin" not in served.client.options("/v1/fill", headers=ask).headers


def test_full_queue_answers_at_once_and_waiting_ones_are_served():
    workers = SlowWorkers()
    with ServedApi(workers=workers, limits=ApiLimits(waiting=4, per_minute=0)) as served:
        codes = []

        def ask():
            codes.append(fill(httpx.Client(base_url=served.address, timeout=60)).status_code)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + 20
        while served.service.turns.queued < 2 and time.monotonic() < until:
            time.sleep(0.02)
        start = time.monotonic()
        refused = fill(served.client)
        assert refused.status_code == 503 and refused.headers["retry-after"] and time.monotonic() - start < 2
        workers.go.set()
        for thread in threads:
            thread.join(20)
        assert codes == [200] * 3 and fill(served.client).status_code == 200


def test_time_is_limited():
    with ServedApi(workers=SlowWorkers(), limits=ApiLimits(seconds=0.3, per_minute=0)) as served:
        threading.Thread(target=lambda: fill(httpx.Client(base_url=served.address, timeout=60)), daemon=True).start()
        while not served.service.turns.running:
            time.sleep(0.02)
        late = fill(served.client)
        assert late.status_code == 504 and "too busy" in late.json()["detail"]
        served.service.pool.go.set()


def test_who_goes_away_stops_the_work():
    workers = SlowWorkers()
    with ServedApi(workers=workers) as served:
        with pytest.raises(httpx.ReadTimeout):
            fill(httpx.Client(base_url=served.address, timeout=0.3))
        until = time.monotonic() + 10
        while not workers.stopped and time.monotonic() < until:
            time.sleep(0.05)
        assert workers.stopped == 1
        while served.service.turns.running and time.monotonic() < until:
            time.sleep(0.05)
        assert served.service.turns.running == 0


def test_shutdown_finishes_what_runs():
    workers, got = SlowWorkers(), []
    with ServedApi(workers=workers) as served:
        thread = threading.Thread(
            target=lambda: got.append(fill(httpx.Client(base_url=served.address, timeout=60)).content)
        )
        thread.start()
        while not served.service.turns.running:
            time.sleep(0.02)
        served.service.closing = True
        assert served.client.get("/ready").status_code == 503
        assert fill(served.client).json()["error"] == "Closing"
        served.server.should_exit = True
        time.sleep(0.3)
        workers.go.set()
        thread.join(20)
    assert got == [b"filled"] and not served.service.root.exists()


def test_nothing_of_the_image_is_logged(caplog):
    workers = SlowWorkers()
    workers.go.set()
    photo, hole = sample()
    with caplog.at_level("DEBUG", logger="inpaint.api"), ServedApi(workers=workers) as served:
        body = {"image": b64(picture(photo)), "mask": b64(mask_file(hole))}
        assert served.client.post("/api/v1/inpaint", json=body).status_code == 200
    line = next(r.getMessage() for r in caplog.records if "/api/v1/inpaint" in r.getMessage())
    assert " 200 " in line and body["image"][:20] not in caplog.text


def test_reports_fit_into_a_header():
    report = {"width": 1, "notes": ["\u2603 " * 5000], "seconds": {"a": np.float64(0.12345)}, "engines": "detail"}
    short = short_report(report)
    assert short.isascii() and len(short) < 4000 and json.loads(short)["seconds"] == {"a": 0.123}


def test_chunked_bodies_count_as_what_they_bring_and_only_until_they_are_read():
    workers = SlowWorkers()
    with ServedApi(workers=workers, limits=ApiLimits(body_bytes=100_000, per_minute=0)) as served:
        codes = []

        def ask():
            form = httpx.Request("POST", served.address, files={"photo": b"x" * 60_000, "mask": b"m"})
            body, head = form.read(), {"Content-Type": form.headers["content-type"]}
            pieces = (body[start : start + 1000] for start in range(0, len(body), 1000))
            codes.append(httpx.post(f"{served.address}/v1/fill", content=pieces, headers=head, timeout=60).status_code)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
            time.sleep(0.05)
        until = time.monotonic() + 20
        while served.service.turns.queued < 7 and not codes and time.monotonic() < until:
            time.sleep(0.02)
        assert codes == [] and served.service.bytes_coming == 0  # all wait for their fill
        workers.go.set()
        for thread in threads:
            thread.join(20)
        assert codes == [200] * 8


def test_bodies_that_are_kept_in_memory_count_until_the_reply():
    workers = SlowWorkers()
    photo, hole = sample()
    body = {"image": b64(picture(photo)), "mask": b64(mask_file(hole))}
    size = len(json.dumps(body, separators=(",", ":")))
    with ServedApi(workers=workers, limits=ApiLimits(per_minute=0)) as served:
        thread = threading.Thread(
            target=lambda: httpx.post(f"{served.address}/api/v1/inpaint", json=body, timeout=60), daemon=True
        )
        thread.start()
        while not served.service.turns.running:
            time.sleep(0.02)
        assert served.service.bytes_coming == size
        workers.go.set()
        thread.join(20)


def test_who_sends_too_slowly_is_cut_off(monkeypatch):
    monkeypatch.setattr("inpaint.web.guard.GRACE", 0.5)
    workers = SlowWorkers()
    workers.go.set()
    limits = ApiLimits(body_bytes=1_000_000, per_minute=0)
    with ServedApi(workers=workers, limits=limits) as served:
        host, port = served.address.removeprefix("http://").split(":")
        idle = [socket.create_connection((host, int(port)), 20) for _ in range(4)]
        for kind, place in zip(("multipart/form-data; boundary=a", "application/json") * 2, idle, strict=True):
            path = "/v1/fill" if "form" in kind else "/api/v1/inpaint"
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 1000000\r\n\r\n--a"
            place.sendall(head.encode())
        for place in idle:
            told = b"".join(iter(lambda place=place: place.recv(65536), b""))  # until the server hangs up
            assert told.startswith(b"HTTP/1.1 408 ") and b"came too slowly" in told
            place.close()
        until = time.monotonic() + 10
        while served.service.bytes_coming and time.monotonic() < until:
            time.sleep(0.01)
        assert served.service.bytes_coming == 0 and fill(served.client).status_code == 200

        def slow():
            for _ in range(8):
                yield b"x" * 8192  # 80 kB a second
                time.sleep(0.1)

        head = {"Content-Type": "application/json"}
        assert served.client.post("/api/v1/inpaint", content=slow(), headers=head).status_code == 422


def test_other_names_of_a_server_for_this_machine_alone():
    own = frozenset({"127.0.0.5", "box.example"})
    for name in ("localhost", "LocalHost:7860", "127.0.0.1:7860", "127.9.9.9", "[::1]:7860", "127.0.0.5",
                 "box.example:1"):  # fmt: skip
        assert _own_name(name, own), name
    for name in ("", "evil.test", "evil.test:7860", "localhost.evil.test", "127.0.0.1.evil.test", "10.0.0.1",
                 "[fe80::1]", "0.0.0.0:7860", "[::]", "localhost@evil.test"):  # fmt: skip
        assert not _own_name(name, own), name
