"""What docs/deploy.md says: the nginx configuration with a real nginx, the Dockerfile and its neighbours."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from inpaint.web.service import ApiLimits
from tests.api_server import ServedApi, mask_file, picture, sample
from tests.test_api_jobs import events

ROOT = Path(__file__).parents[1]
DEPLOY = (ROOT / "docs" / "deploy.md").read_text()
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.skipif(not NGINX, reason="nginx is not installed")
def test_behind_nginx_at_a_sub_path(inpainter, tmp_path):
    from gradio.utils import get_upload_folder

    from inpaint.web.actions import Actions
    from inpaint.web.networks import Networks
    from inpaint.web.session import SessionStore

    actions, port = Actions(SessionStore(), Networks.of(inpainter), get_upload_folder), free_port()
    with ServedApi(actions=actions, limits=ApiLimits(per_minute=0)) as served:
        location = re.search(r"```nginx\n(.*?)```", DEPLOY, re.S)[1]
        location = location.replace("http://127.0.0.1:7860", served.address)
        temporary = "".join(
            f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (tmp_path / "nginx.conf").write_text(
            f"pid {tmp_path}/pid;\nerror_log {tmp_path}/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}"
            f"server {{\nlisten 127.0.0.1:{port};\n{location}}}\n}}\n"
        )
        command = [NGINX, "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path), "-g", "daemon off;"]
        os.chmod(tmp_path, 0o755)
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        try:
            base = f"http://127.0.0.1:{port}/inpaint"
            until = time.monotonic() + 20
            while time.monotonic() < until:
                try:
                    if httpx.get(f"{base}/health").status_code == 200:
                        break
                except httpx.HTTPError:
                    assert process.poll() is None, process.stderr.read()
                time.sleep(0.1)
            photo, hole = sample()
            files = {"photo": picture(photo), "mask": mask_file(hole)}
            direct = served.client.post("/v1/fill", files=files)
            through = httpx.post(f"{base}/v1/fill", files=files, timeout=60)
            assert through.status_code == 200 and through.content == direct.content
            own = {"Origin": f"http://127.0.0.1:{port}"}
            assert httpx.get(f"{base}/v1/models", headers=own).status_code == 200
            assert httpx.get(f"{base}/v1/models", headers={"Origin": "https://evil.example"}).status_code == 403
            name = httpx.post(f"{base}/v1/jobs", files=files, timeout=60).json()["id"]
            assert events(httpx.get(f"{base}/v1/jobs/{name}/events", timeout=60).text)[-1][0] == "done"
            assert "/v1/fill" in httpx.get(f"{base}/docs").text
            assert "openapi" in httpx.get(f"{base}/openapi.json").json()
            assert httpx.get(f"{base}/").status_code == 200
            large = httpx.post(f"{base}/v1/fill", content=b"x" * (65 << 20), timeout=60)
            assert large.status_code == 413
        finally:
            process.terminate()
            process.wait(20)
    actions.store.close()


def entry_point(dockerfile):
    """The program that the container's shell becomes, with its own arguments."""
    shell, option, script, name = json.loads(re.search("^ENTRYPOINT (.*)$", dockerfile, re.M)[1])
    assert (shell, option) == ("sh", "-c") and name and script.endswith(' "$@"')
    return shlex.split(script.partition("&& exec ")[2].removesuffix(' "$@"'))


def test_dockerfile():
    """What linters ask for, and that it copies what is there."""
    text = (ROOT / "Dockerfile").read_text()
    lines = text.replace("\\\n", " ").splitlines()
    words = [line.split() for line in lines if line and not line.startswith("#")]
    stages = [line for line in words if line[0] == "FROM"]
    assert all(":" in line[1] and not line[1].endswith(":latest") for line in stages)
    last = words[max(i for i, line in enumerate(words) if line[0] == "FROM") :]
    users = [line[1] for line in last if line[0] == "USER"]
    assert users and users[-1] not in ("root", "0") and any(line[0] == "HEALTHCHECK" for line in last)
    for line in words:
        if line[0] == "COPY" and not line[1].startswith("--from"):
            assert all((ROOT / source).exists() for source in line[1:-1]), line
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = {source for line in words if line[0] == "COPY" and "--from" not in line[1] for source in line[1:-1]}
    assert ignored[0] == "*" and {f"!{source}" for source in copied} <= set(ignored)
    assert entry_point(text)[:4] == ["python", "-m", "inpaint", "serve"]
    folders = [
        line[1]
        for line in words[: next(i for i, line in enumerate(words) if "warm_up" in " ".join(line))]
        if line[0] == "WORKDIR"
    ]
    assert folders[-1] == "/", "kernels compiled from a copy of the source are not found by the installed package"
    kept = re.search(r"^ENV NUMBA_CACHE_DIR=(\S+)$", text, re.M)[1]
    used = re.search(r"NUMBA_CACHE_DIR=(/tmp\S+) ", text)[1]
    assert f"cp -R {kept} {Path(used).parent} " in text and Path(kept).name == Path(used).name


def test_dockerfile_options_are_ours():
    """The container's command line is understood, and refuses to be open to everyone."""
    text = (ROOT / "Dockerfile").read_text()
    environment = {k: v for k, v in os.environ.items() if k != "INPAINT_API_KEYS"}
    command = [sys.executable, *entry_point(text)[1:6]]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "needs keys when it is reached from elsewhere" in done.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_unit_is_understood(tmp_path):
    unit = re.search(r"```ini\n(.*?)```", DEPLOY, re.S)[1].replace("/opt/inpaint/bin/python", sys.executable)
    (tmp_path / "inpaint.service").write_text(unit)
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "inpaint.service")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "inpaint.service" not in done.stderr, done.stderr


def test_commands_of_the_pages_are_understood():
    """Each `python -m inpaint serve` and `app.py` line of the docs parses."""
    from inpaint.cli import build_parser

    texts = DEPLOY + (ROOT / "docs" / "api.md").read_text()
    commands = re.findall(r"-m inpaint (serve.*?)(?: +#.*)?$", texts, re.M)
    assert len(commands) >= 4
    for command in commands:
        build_parser().parse_args(command.split())


def test_serve_makes_keys_and_refuses(tmp_path, capsys, monkeypatch):
    from inpaint.cli import main

    monkeypatch.delenv("INPAINT_API_KEYS", raising=False)
    assert main(["serve", "--add-key", "ann"]) == 2
    assert main(["serve", "--add-key", "ann", "--api-keys", str(tmp_path / "keys")]) == 0
    assert capsys.readouterr().out.startswith("ink_") and "ann:sha256$" in (tmp_path / "keys").read_text()
    assert main(["serve", "--no-page", "--host", "0.0.0.0"]) == 2
    assert main(["serve", "--no-page", "--slots", "0"]) == 2
    assert main(["serve", "--no-page", "--api-keys", str(tmp_path / "absent")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_short_load():
    """The load benchmark, briefly: nothing but 200, 429 and 503, and no pixel outside a hole."""
    from benchmarks.api_load import load

    figures = load(0.2, 6, 0, 96, growth=1.0, options=["--threads", "1", "--device", "cpu"])
    assert figures["ok"], figures
