"""A real server of the HTTP API in a thread, and pictures to send to it."""

import base64
import io
import json
import threading
import time

import httpx
import numpy as np
import uvicorn
from PIL import Image

from inpaint.web.api import api_app
from inpaint.web.service import ApiLimits, Service
from inpaint.web.worker import WorkerSettings
from tests.conftest import scene


class ServedApi:
    """As a context manager: an httpx client of a running server, with `service`."""

    def __init__(self, ready=True, actions=None, **settings):
        from inpaint.web.serving import build_app

        settings.setdefault("limits", ApiLimits(per_minute=0))
        self.service = Service(WorkerSettings({"dilated": None}, "cpu", 1), **settings)
        app = api_app(self.service) if actions is None else build_app(actions, service=self.service)
        self.server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.ready = ready

    def __enter__(self):
        self.thread.start()
        until = time.monotonic() + 120
        while not self.server.started and time.monotonic() < until:
            time.sleep(0.02)
        self.address = f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"
        self.client = httpx.Client(base_url=self.address, timeout=120)
        while self.ready and self.client.get("/ready").status_code != 200 and time.monotonic() < until:
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.client.close()
        self.server.should_exit = True
        self.service.closing = True
        self.thread.join(60)
        assert not self.thread.is_alive()


def picture(values, form="PNG", **settings):
    file = io.BytesIO()
    Image.fromarray(values).save(file, form, **settings)
    return file.getvalue()


def sample(height=60, width=80, seed=0):
    """A photo and its hole: uint8 (H, W, 3) and bool (H, W)."""
    hole = np.zeros((height, width), bool)
    hole[height // 3 : height // 2, width // 3 : width // 2] = True
    return scene(height, width, seed), hole


def mask_file(hole):
    return picture(hole.astype(np.uint8) * 255)


def pixels(data, mode="RGB"):
    return np.array(Image.open(io.BytesIO(data)).convert(mode))


def b64(data):
    return base64.b64encode(data).decode()


def report(reply):
    return json.loads(reply.headers["x-inpaint-report"])


def metric(client, name, **labels):
    """A value of /metrics; 0 where it was never counted."""
    found = 0.0
    for line in client.get("/metrics").text.splitlines():
        if line.startswith(name) and all(f'{k}="{v}"' in line for k, v in labels.items()):
            found += float(line.rsplit(" ", 1)[1])
    return found
