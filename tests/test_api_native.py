"""The native API with real workers: the same bytes as the command line, and a server that outlives its decoders."""

import json
import os
import signal
import struct
import threading
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from inpaint.cli import main
from inpaint.inpainter import Inpainter
from inpaint.masking import object_mask
from inpaint.web.service import ApiLimits
from inpaint.web.tasks import FillTask, Outcome
from inpaint.web.worker import Late, Worker, WorkerSettings
from tests.api_server import ServedApi, mask_file, metric, picture, pixels, report, sample


@pytest.fixture(scope="module")
def served():
    with ServedApi(limits=ApiLimits(per_minute=0, pixels=2_000_000, body_bytes=20 << 20)) as served:
        yield served


@pytest.fixture(scope="module")
def client(served):
    return served.client


def fill(client, photo, mask=None, **fields):
    files = {"photo": ("p", photo)} | ({"mask": ("m", mask)} if mask else {})
    return client.post("/v1/fill", files=files, data=fields)


@dataclass(frozen=True)
class Crash(FillTask):
    """What a decoder does that a hostile file makes jump into nowhere."""

    def perform(self, networks, tell):
        os.kill(os.getpid(), signal.SIGSEGV)


@dataclass(frozen=True)
class Hang:
    folder: Path = Path()

    def perform(self, networks, tell):
        time.sleep(60)


@dataclass(frozen=True)
class Polite:
    folder: Path = Path()

    def perform(self, networks, tell):
        for step in range(600):
            if not tell("step", step / 600):
                from inpaint.errors import Cancelled

                raise Cancelled("stopped")
            time.sleep(0.02)
        return Outcome("", "")


def test_same_bytes_as_the_command_line(client, tmp_path):
    photo, hole = sample(72, 96)
    exif = Image.Exif()
    exif[0x010E] = "a description"
    for form, suffix in (("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp"), ("TIFF", "tif")):
        (tmp_path / f"a.{suffix}").write_bytes(picture(photo, form, exif=exif))
        (tmp_path / "m.png").write_bytes(mask_file(hole))
        places = [str(tmp_path / f"a.{suffix}"), str(tmp_path / "m.png"), "-o", str(tmp_path / f"out.{suffix}")]
        assert main(["fill", *places, "--seed", "3", "--dilate", "2", "--device", "cpu"]) == 0
        reply = fill(client, (tmp_path / f"a.{suffix}").read_bytes(), mask_file(hole), seed=3, dilate=2)
        assert reply.content == (tmp_path / f"out.{suffix}").read_bytes()
        assert reply.headers["content-type"] == f"image/{form.lower()}"
        assert report(reply)["proof"] and report(reply)["engines"]


def test_reports_on_request(client):
    photo, hole = sample()
    both = fill(client, picture(photo), mask_file(hole), reply="json", engine="telea").json()
    assert both["report"]["holes"][0]["engine"] == "telea" and both["media_type"] == "image/png"
    parts = fill(client, picture(photo), mask_file(hole), reply="multipart", engine="telea")
    assert parts.headers["content-type"].startswith("multipart/form-data") and b'"holes"' in parts.content
    assert b"/tmp" not in parts.content and str(client.base_url) not in parts.text


def test_rules_in_place_of_masks(client):
    photo, _ = sample()
    for rule in ("region:top-left 25%x25%", '{"kind": "region", "region": "top-left 25%x25%"}'):
        reply = fill(client, picture(photo), rule=rule, engine="ns")
        changed = (pixels(reply.content) != photo).any(axis=2)
        assert changed[:15, :20].any() and not changed[15:].any() and not changed[:, 20:].any()


@pytest.mark.parametrize(
    ("fields", "mask", "status", "text"),
    [
        ({}, False, 422, "either a mask file or a mask rule"),
        ({"rule": "text"}, True, 422, "either a mask file or a mask rule"),
        ({"engine": "magic"}, True, 422, "engine"),
        ({"dilate": 300}, True, 422, "dilate must be between"),
        ({"model": "../x"}, True, 422, "model must be one of"),
        ({"rule": "{"}, False, 422, "rule is not JSON"),
        ({"rule": "nonsense"}, False, 422, "kind is one of"),
        ({"rule": "[1]"}, False, 422, "mask rule is text"),
        ({"rule": "repeated"}, False, 422, "needs all photos"),
        ({"rule": '{"kind": ["text"]}'}, False, 422, "kind is one of"),
        ({"rule": '{"kind": "text", "within": 1}'}, False, 422, "within must be a box X,Y,W,H, got 1"),
        ({"format": "JPEG", "lossless": True}, True, 422, "not lossless"),
        ({"mask_is": "alpha"}, True, 400, "has no transparency, which mask_is alpha needs"),
    ],
)
def test_wrong_requests(client, fields, mask, status, text):
    photo, hole = sample()
    reply = fill(client, picture(photo), mask_file(hole) if mask else None, **fields)
    assert reply.status_code == status and text in reply.json()["detail"]


def test_unusable_files(client):
    photo, hole = sample()
    good, mask = picture(photo), mask_file(hole)
    for sent, drawn, text in (
        (b"", mask, "is empty"), (b"hello", mask, "photo: is not a picture"), (good[:200], mask, "photo: is damaged"),
        (good, b"hello", "mask: is not a picture"), (good, mask_file(hole[:, :40]), "shapes that do not match"),
        (good, mask_file(np.zeros_like(hole)), "the mask is empty"),
        (good, mask_file(np.ones_like(hole)), "covers the whole photo"),
    ):  # fmt: skip
        reply = fill(client, sent, drawn)
        assert reply.status_code == 400 and text in reply.json()["detail"], reply.text
        assert "/" not in reply.json()["detail"] and "--" not in reply.json()["detail"]


def png_bomb(width, height):
    """A PNG of a few bytes whose header promises many pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def test_bombs_are_refused_before_they_are_decoded(client, served):
    photo, hole = sample()
    before = metric(client, "inpaint_workers_resident_bytes")
    for sent, mask in ((png_bomb(60_000, 60_000), mask_file(hole)), (picture(photo), png_bomb(60_000, 60_000))):
        start = time.monotonic()
        reply = fill(client, sent, mask)
        assert reply.status_code == 400 and "too many" in reply.json()["detail"]
        assert time.monotonic() - start < 2
    text = b"tEXtComment\0" + b"a" * 1000
    assert fill(client, picture(photo)[:-12] + text, mask_file(hole)).status_code in (200, 400)
    assert metric(client, "inpaint_workers_resident_bytes") < before + (100 << 20)
    assert served.service.pool.all[0].deaths == 0


def test_no_file_of_the_server_can_be_named(client, tmp_path):
    photo, hole = sample()
    secret = tmp_path / "secret.png"
    secret.write_bytes(mask_file(hole))
    for rule in (f"object:scribble={secret}", json.dumps({"kind": "object", "scribble": str(secret)})):
        reply = fill(client, picture(photo), rule=rule)
        assert reply.status_code == 422 and "sent as a file" in reply.json()["detail"]
    settings = json.dumps({"scribble": str(secret)})
    reply = client.post("/v1/mask/object", files={"photo": picture(photo)}, data={"settings": settings})
    assert reply.status_code == 422
    files = {"photo": ("../../../etc/passwd", picture(photo)), "mask": ("/etc/passwd", mask_file(hole))}
    reply = client.post("/v1/fill", files=files, data={"reply": "json", "engine": "ns"})
    assert reply.status_code == 200 and "passwd" not in reply.text
    for path in ("/v1/../etc/passwd", "/v1/fill/..%2f..%2fetc/passwd", "/v1/jobs/..%2f..", "/v1/jobs/%2e%2e/result"):
        assert client.get(path).status_code in (401, 404, 405)


def test_masks(client):
    photo, hole = sample()
    region = '{"region": "top-left 25%x25%", "dilate": 2}'
    reply = client.post("/v1/mask/region", files={"photo": picture(photo)}, data={"settings": region})
    mask = pixels(reply.content, "L") > 127
    assert mask.shape == hole.shape and report(reply)["pixels"] == mask.sum() and mask[:15, :20].all()
    thing = np.random.default_rng(0).normal(200, 4, (90, 120, 3)).clip(0, 255).astype(np.uint8)
    thing[30:60, 40:80] = thing[30:60, 40:80] * 0.4
    scribble = np.zeros((90, 120), bool)
    scribble[25:65, 35:85] = True
    clicked = object_mask(thing, [[60, 45]]), {"settings": '{"clicks": [[60, 45]]}'}, {}
    rough = object_mask(thing, scribble=scribble), {}, {"scribble": mask_file(scribble)}
    for expected, data, more in (clicked, rough):
        files = {"photo": picture(thing)} | more
        found = pixels(client.post("/v1/mask/object", files=files, data=data).content, "L") > 127
        assert expected.any() and np.array_equal(found, expected)
    assert client.post("/v1/mask/repeated", files={"photo": picture(photo)}).status_code == 422
    for settings in ("[1]", "x", '{"sensitivity": "much"}', '{"nonsense": 1}'):
        reply = client.post("/v1/mask/text", files={"photo": picture(photo)}, data={"settings": settings})
        assert reply.status_code == 422 and reply.json()["detail"]


def test_text_that_is_not_there_gives_an_empty_mask(client):
    pytest.importorskip("rapidocr")
    nothing = client.post("/v1/mask/text", files={"photo": picture(np.full((60, 80, 3), 90, np.uint8))})
    assert nothing.status_code == 200 and not pixels(nothing.content, "L").any()


def test_models_and_pages(client):
    models = client.get("/v1/models").json()["models"]
    assert models[0]["name"] == "dilated" and models[0]["default"] and models[0]["receptive_field"] > 100
    page = client.get("/docs").text
    assert "/v1/fill" in page and "curl -F photo" in page and "http://" not in page.replace(str(client.base_url), "")
    text = client.get("/metrics").text
    for name in ("requests_total", "queue_length", "workers_resident_bytes"):
        assert f"inpaint_{name}" in text
    assert 'stage="structure"' in text


def test_a_crash_answers_500_and_the_server_lives(client, served, monkeypatch):
    photo, hole = sample()
    with monkeypatch.context() as patch:
        patch.setattr("inpaint.web.api_native.FillTask", Crash)
        reply = fill(client, picture(photo), mask_file(hole))
    assert reply.status_code == 500 and "signal 11" in reply.json()["detail"]
    assert client.get("/health").status_code == 200
    assert fill(client, picture(photo), mask_file(hole)).status_code == 200
    assert metric(client, "inpaint_worker_deaths") == 1


def test_a_worker_that_hangs_is_ended_and_one_that_listens_is_not(monkeypatch):
    monkeypatch.setattr("inpaint.web.worker.GRACE", 4.0)
    worker, never = Worker(WorkerSettings({"dilated": None}, "cpu", 1)), threading.Event()
    try:
        worker.start()
        pid, told = worker.pid, []
        with pytest.raises(Late):
            worker.do(Polite(), lambda *step: told.append(step), time.monotonic() + 0.5, never)
        assert worker.pid == pid and told
        with pytest.raises(Late):
            worker.do(Hang(), lambda *_: None, time.monotonic() + 0.2, never)
        assert worker.pid is None and worker.deaths == 1
    finally:
        worker.close()


def test_many_at_once_are_each_their_own(served):
    """Eight clients with different photos: nobody gets another's pixels."""
    wrong, inpainter = [], Inpainter.load(device="cpu")

    def one(seed):
        photo, hole = sample(48 + seed, 64, seed)
        with httpx.Client(base_url=served.address, timeout=120) as client:
            for _ in range(2):
                result = pixels(fill(client, picture(photo), mask_file(hole)).content)
                if not np.array_equal(result, inpainter.fill(photo, hole).photo):
                    wrong.append(seed)

    threads = [threading.Thread(target=one, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert wrong == []
