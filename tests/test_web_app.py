"""The server without a browser: health, endpoints for programs, passwords, what may be fetched."""

import ast
import asyncio
import base64
import errno
import socket
import sys
import threading
import time
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
import uvicorn
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from app import build_app, main, model_choices, parser
from inpaint.cli import main as cli_main
from inpaint.errors import InpaintError, OptionError
from inpaint.photo.limits import Limits
from inpaint.web.actions import Actions
from inpaint.web.auth import Passwords, add_user
from inpaint.web.networks import Networks
from inpaint.web.serving import listening, own_names
from inpaint.web.session import SessionStore
from tests.conftest import scene


class Served:
    def __init__(self, inpainter, limits=Limits(), max_age=6 * 3600, **settings):
        from gradio.utils import get_upload_folder

        self.actions = Actions(SessionStore(limits, max_age=max_age), Networks.of(inpainter), get_upload_folder)
        self.server = uvicorn.Server(uvicorn.Config(build_app(self.actions, **settings), port=0, log_level="error"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        deadline = time.monotonic() + 60
        while not self.server.started and time.monotonic() < deadline:
            time.sleep(0.05)
        return f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"

    def __exit__(self, *_):
        self.server.should_exit = True
        self.thread.join(20)
        self.actions.store.close()


@pytest.fixture(scope="module")
def address(inpainter):
    with Served(inpainter) as address:
        yield address


@pytest.fixture(scope="module")
def client(address):
    return Client(address, verbose=False)


@pytest.fixture
def files(tmp_path):
    photo, mask = scene(60, 80), np.zeros((60, 80), np.uint8)
    mask[20:35, 30:50] = 255
    Image.fromarray(photo).save(tmp_path / "photo.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return handle_file(str(tmp_path / "photo.png")), handle_file(str(tmp_path / "mask.png")), photo, mask > 0


def path_of(reply):
    return reply if isinstance(reply, str) else reply["path"]


def test_uploads_go_when_they_are_as_old_as_a_photo_may_be(inpainter):
    with Served(inpainter, max_age=1) as address:
        sent = httpx.post(f"{address}/gradio_api/upload", files={"files": ("x.png", b"short-lived")})
        path, deadline = Path(sent.json()[0]), time.monotonic() + 60
        while path.exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert not path.exists()


def test_health_and_page(address):
    assert httpx.get(f"{address}/health").json() == {"status": "ok"}
    text = httpx.get(address).text
    assert "gradio" in text.lower() and '"analytics_enabled":false' in text.replace(" ", "")


def test_fill_endpoint(client, files):
    photo, mask, pixels, hole = files
    filled, report = client.predict(photo=photo, mask=mask, engine="telea", api_name="/fill")
    result = np.array(Image.open(path_of(filled)))
    assert np.array_equal(result[~hole], pixels[~hole]) and (result[hole] != pixels[hole]).any()
    assert report["engines"] == "telea" and report["filled"] == 300
    with pytest.raises(AppError, match="engine must be one of"):
        client.predict(photo=photo, mask=mask, engine="magic", api_name="/fill")


def test_the_fill_endpoint_opens_no_file_in_the_process_of_the_server(client, files, monkeypatch):
    photo, mask, _, _ = files

    def refuse(*_, **__):
        raise AssertionError("a picture was opened in the process of the server")

    for decoder in ("PIL.Image.open", "cv2.imdecode", "cv2.imread"):
        monkeypatch.setattr(decoder, refuse)
    filled, report = client.predict(photo=photo, mask=mask, engine="telea", api_name="/fill")
    monkeypatch.undo()
    assert Image.open(path_of(filled)).size == (80, 60) and report["proof"] == "0 of 4,500 kept pixels changed"
    assert report["notes"] == ["mask.png: white is the hole (6.25 % of the picture)"]


def test_mask_endpoints(client, files, monkeypatch):
    photo, _, _, hole = files
    monkeypatch.setattr("inpaint.web.endpoints.find_text", lambda photo, sensitivity: hole)
    mask = np.array(Image.open(path_of(client.predict(photo=photo, api_name="/mask_text"))))
    assert np.array_equal(mask > 127, hole)
    asked = {}

    def find(photo, request):
        asked.update(request)
        return np.zeros(photo.shape[:2], bool)

    monkeypatch.setattr("inpaint.web.endpoints.find_object", find)
    with pytest.raises(AppError, match="no object was found"):
        client.predict(photo=photo, points=[[30, 20]], api_name="/mask_object")
    assert asked == {"points": [[30, 20]], "labels": [1], "box": None}


def test_only_uploads_are_read(client, files):
    _, mask, _, _ = files
    with pytest.raises(AppError):
        stolen = {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}
        client.predict(photo=stolen, mask=mask, api_name="/fill")


def test_only_named_endpoints_are_public(client):
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/fill", "/mask_text", "/mask_object"}


def test_files_of_others_need_their_token(address, inpainter):
    for path in ("/etc/hostname", "/proc/self/environ"):
        assert httpx.get(f"{address}/gradio_api/file={path}").status_code == 403


def test_passwords_guard_page_and_files(inpainter, tmp_path):
    add_user(tmp_path / "people", "ann", "secret")
    with Served(inpainter, auth=Passwords(tmp_path / "people")) as address:
        assert httpx.get(f"{address}/gradio_api/info").status_code == 401
        assert httpx.get(f"{address}/health").status_code == 200
        body = {"session_hash": "x", "component_id": 1, "fn_name": "ask", "data": {"action": "resume"}}
        assert httpx.post(f"{address}/gradio_api/component_server", json=body).status_code == 401
        wrong = httpx.post(f"{address}/login", data={"username": "ann", "password": "no"})
        right = httpx.post(f"{address}/login", data={"username": "ann", "password": "secret"})
        assert wrong.status_code == 400 and right.status_code == 200


def test_requests_to_the_page_are_bounded(address):
    def head_of(path):
        return {"url": f"{address}{path}", "headers": {"Content-Type": "application/json"}, "timeout": 60}

    large = b'{"data": "' + b"x" * (9 << 20) + b'"}'
    pieces = lambda: (large[start : start + 65536] for start in range(0, len(large), 65536))  # noqa: E731
    for path in ("/gradio_api/queue/join", "/gradio_api/component_server", "/gradio_api/run/fill"):
        for content in (large, pieces()):
            try:
                reply = httpx.post(content=content, **head_of(path))
                assert (reply.status_code, "bytes at most" in reply.text) == (413, True), path
            except httpx.WriteError:  # refused and hung up in the middle of it
                pass
    small = httpx.post(content=b'{"data": []}', **head_of("/gradio_api/queue/join"))
    assert small.status_code not in (408, 413)


def test_uploads_are_bounded_beside_their_files(address, inpainter):
    upload = f"{address}/gradio_api/upload"
    (path,) = httpx.post(upload, files={"files": ("a.bin", b"x" * (9 << 20))}, timeout=60).json()
    assert Path(path).stat().st_size == 9 << 20
    Path(path).unlink()
    for name in ("files", "filename", "a; filename"):
        reply = httpx.post(upload, data={name: "x" * (2 << 20)}, files={"files": ("a.bin", b"y")}, timeout=60)
        assert reply.status_code == 413 and "beside its files" in reply.text
    with Served(inpainter, Limits(file_bytes=1000)) as other:
        reply = httpx.post(f"{other}/gradio_api/upload", files={"files": ("a.bin", b"x" * 2000)}, timeout=60)
        assert reply.status_code == 413  # Gradio's own limit


def test_the_page_alone_fetches_no_documentation_from_elsewhere(address):
    for path in ("/docs", "/redoc", "/openapi.json"):
        reply = httpx.get(f"{address}{path}")
        assert "cdn" not in reply.text and "swagger" not in reply.text.lower() and "/health" not in reply.text


def test_other_names_are_refused_where_nobody_is_asked(inpainter, files):
    with Served(inpainter, names=frozenset({"127.0.0.1", "shop.example"})) as address:
        port = address.rpartition(":")[2]
        evil = {"Host": f"evil.test:{port}", "Origin": f"http://evil.test:{port}"}
        for path in ("/", "/health", "/config", "/gradio_api/info"):
            reply = httpx.get(f"{address}{path}", headers=evil)
            assert reply.status_code == 403 and "open to this machine alone" in reply.text
        for host in ("127.0.0.1", f"localhost:{port}", "[::1]", "shop.example"):
            assert httpx.get(address, headers={"Host": host}).status_code == 200
        filled, _ = Client(address, verbose=False).predict(*files[:2], engine="telea", api_name="/fill")
        assert Image.open(path_of(filled)).size == (80, 60)


def test_which_servers_answer_to_any_name():
    def names(*arguments, keys=False):
        return own_names(parser().parse_args(arguments), keys)

    assert names() == {"127.0.0.1"} and names("--host", "127.0.0.2") == {"127.0.0.2"}
    assert names("--host", "localhost") == {"localhost"} and names("--host", "::1") == {"::1"}
    assert names("--cors", "https://shop.example:8443", "--cors", "null") == {"127.0.0.1", "shop.example"}
    for anybody in (("--host", "0.0.0.0"), ("--host", "10.0.0.1"), ("--host", "box"), ("--root-path", "/inpaint"),
                    ("--auth-file", "people"), ("--cors", "*")):  # fmt: skip
        assert names(*anybody) is None, anybody
    assert names(keys=True) is None


def test_tools_cannot_be_offered_behind_a_password(tmp_path, capsys):
    from inpaint.cli import main

    add_user(tmp_path / "people", "ann", "secret")
    assert main(["serve", "--mcp", "--auth-file", str(tmp_path / "people")]) == 2
    assert "--mcp cannot be had with --auth-file" in capsys.readouterr().err


def test_behind_a_proxy_everything_is_asked_for_below_its_path(inpainter):
    with Served(inpainter, root_path="/inpaint") as address:
        config = httpx.get(f"{address}/config").json()
        assert config["root"].endswith("/inpaint")
        page = httpx.get(address).text
        assert page.count("/inpaint/") >= 1


def test_a_client_of_mcp_finds_the_tools_and_fills(inpainter, files):
    mcp = pytest.importorskip("mcp", reason="mcp is not installed: pip install 'gradio[mcp]'")
    from mcp.client.streamable_http import streamablehttp_client

    def data_url(file):
        return "data:image/png;base64," + base64.b64encode(Path(file["path"]).read_bytes()).decode()

    async def talk(address):
        place = streamablehttp_client(f"{address}/gradio_api/mcp/")
        async with place as (read, write, _), mcp.ClientSession(read, write) as session:
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            given = {"photo": data_url(files[0]), "mask": data_url(files[1]), "engine": "telea"}
            return tools, await session.call_tool("fill", given), await session.call_tool("fill", {"photo": "x"})

    with Served(inpainter, mcp=True) as address:
        tools, reply, wrong = asyncio.run(talk(address))
        assert set(tools) == {"fill", "mask_text", "mask_object"} and wrong.isError
        described = tools["fill"].inputSchema["properties"]
        assert set(described) == {"photo", "mask", "engine", "dilate", "seed", "model", "lossless"}
        assert all(about["description"] for about in described.values())
        filled, report = ast.literal_eval(reply.content[0].text)
        result = np.array(Image.open(BytesIO(httpx.get(filled["url"]).content)))
    _, _, pixels, hole = files
    assert not reply.isError and report["proof"] == "0 of 4,500 kept pixels changed"
    assert np.array_equal(result[~hole], pixels[~hole]) and (result[hole] != pixels[hole]).any()


def test_options():
    assert model_choices(None, None) == {"dilated": None}
    choices = model_choices(["dilated", "glcic=a.pth"], None)
    assert list(choices) == ["dilated", "glcic"] and str(choices["glcic"]) == "a.pth"
    with pytest.raises(OptionError, match="twice"):
        model_choices(["dilated", "dilated=x"], None)
    args = parser().parse_args([])
    assert (args.host, args.port, args.auth_file) == ("127.0.0.1", 7860, None)


@pytest.mark.parametrize("settings", [{}, {"names": frozenset({"127.0.0.1"})}], ids=["any name", "own names"])
def test_web_pages_of_elsewhere_cannot_use_the_page(inpainter, settings):
    with Served(inpainter, origins=("https://friend.example",), **settings) as address:
        port = address.rpartition(":")[2]
        body = {"session_hash": "x", "component_id": 1, "fn_name": "ask", "data": {"action": "resume"}}
        asked = f"{address}/gradio_api/component_server"
        for host in (f"127.0.0.1:{port}", f"localhost.:{port}", f"[::1]:{port}"):
            for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
                head = {"Host": host, "Origin": origin}
                preflight = httpx.options(asked, headers=head | {"Access-Control-Request-Method": "POST"})
                for reply in (preflight, httpx.post(asked, json=body, headers=head), httpx.get(address, headers=head)):
                    assert reply.status_code == 403, (host, origin)
                    assert "access-control-allow-origin" not in reply.headers
        for origin in (f"http://127.0.0.1:{port}", "https://friend.example"):
            assert httpx.get(f"{address}/config", headers={"Origin": origin}).status_code == 200
        shown = {"Host": "127.0.0.1", "X-Forwarded-Host": "box.example", "Origin": "https://box.example"}
        assert httpx.get(f"{address}/config", headers=shown).status_code == 200  # behind a proxy


def test_nothing_is_fetched_from_elsewhere_for_a_visitor(address):
    for place in ("https://evil.example/x.png", "HTTP://evil.example/x.png", "%68ttps://evil.example/x.png",
                  "%20https://evil.example/x.png"):  # fmt: skip
        for door in ("file=", "file/"):
            reply = httpx.get(f"{address}/gradio_api/{door}{place}")
            assert reply.status_code == 403 and "nothing is fetched from elsewhere" in reply.text, place


def test_an_uploaded_file_is_no_page_of_this_server(address, tmp_path):
    file = BytesIO()
    Image.fromarray(scene(20, 30)).save(file, "PNG")
    (path,) = httpx.post(
        f"{address}/gradio_api/upload", files={"files": ("holiday.html", file.getvalue() + b"<script>1</script>")}
    ).json()
    reply = httpx.get(f"{address}/gradio_api/file={path}")
    assert reply.status_code == 200 and reply.headers["content-security-policy"] == "sandbox"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "content-security-policy" not in httpx.get(address).headers


@pytest.mark.parametrize("port", ["0", "-1", "65536", "99999"])
@pytest.mark.parametrize("door", ["app", "serve"])
def test_ports_that_are_none_are_refused_at_once(monkeypatch, capsys, port, door):
    monkeypatch.setattr(sys, "argv", ["app.py", "--port", port])
    assert (main() if door == "app" else cli_main(["serve", "--port", port])) == 2
    streams = capsys.readouterr()
    assert f"--port must be from 1 to 65535, got {port}" in streams.err and not streams.out


@pytest.mark.parametrize("name", ["app", "serve"])
def test_what_keeps_a_server_from_starting_is_said_first(monkeypatch, capsys, name):
    def door(args):
        monkeypatch.setattr(sys, "argv", ["app.py", *args])
        return main() if name == "app" else cli_main(["serve", *args])

    monkeypatch.setattr("inpaint.web.serving._serve", lambda *_: pytest.fail("must not get so far"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert door(["--port", port]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith(f"error: --host 127.0.0.1 --port {port}: cannot be listened on (")
    for option in ("--seconds", "--job-hours", "--keep-hours"):
        for value in ("inf", "nan"):
            assert door([option, value]) == 2
            assert capsys.readouterr().err == f"error: {option} must be a number, got {value}\n"


def test_jobs_that_cannot_be_kept_are_refused_at_once(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    args = ["serve", "--no-page", "--jobs", str(tmp_path / "file"), "--port", "7999"]
    assert cli_main(args) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err == f"error: {tmp_path / 'file'}: jobs cannot be kept there (File exists)\n"


def test_sockets_of_all_addresses_of_a_name_are_taken_at_once(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    doors = listening("localhost", port)
    try:
        assert "127.0.0.1" in {door.getsockname()[0] for door in doors}
        with pytest.raises(InpaintError, match="Address already in use"):
            listening("127.0.0.1", port)
    finally:
        for door in doors:
            door.close()
    v4, v6 = ((family, socket.SOCK_STREAM, 0, "", ()) for family in (socket.AF_INET, socket.AF_INET6))
    both = [(*v6[:4], ("::1", port, 0, 0)), (*v4[:4], ("127.0.0.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    made = socket.socket

    def without_ipv6(family, *how):
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return made(family, *how)

    monkeypatch.setattr(socket, "socket", without_ipv6)
    (door,) = listening("localhost", port)
    door.close()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both[:1])
    with pytest.raises(InpaintError, match="no address of this machine"):
        listening("localhost", port)


def test_a_server_that_is_stopped_before_it_is_ready_says_so(monkeypatch, capsys):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["app.py"])
    monkeypatch.setattr("app.serve", stopped)
    assert main() == 130 and capsys.readouterr().err == "error: stopped before it was ready\n"
