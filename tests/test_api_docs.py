"""Every example of docs/api.md that talks to the server, run as it stands."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inpaint.web.actions import Actions
from inpaint.web.networks import Networks
from inpaint.web.service import ApiLimits
from inpaint.web.session import SessionStore
from tests.api_server import ServedApi, mask_file, picture, sample

TEXT = (Path(__file__).parents[1] / "docs" / "api.md").read_text()
EXAMPLES = re.findall(r"```(sh|python) run\n(.*?)```", TEXT, re.S)


@pytest.fixture(scope="module")
def served(inpainter):
    from gradio.utils import get_upload_folder

    actions = Actions(SessionStore(), Networks.of(inpainter), get_upload_folder)
    with ServedApi(actions=actions, limits=ApiLimits(per_minute=0), lazy=True) as served:
        yield served
    actions.store.close()


@pytest.mark.parametrize(("language", "code"), EXAMPLES, ids=[str(i) for i in range(len(EXAMPLES))])
def test_example(served, tmp_path, language, code):
    if language == "sh" and not shutil.which("curl"):
        pytest.skip("no curl")
    if "/v1/mask/text" in code:
        pytest.importorskip("rapidocr")
    photo, hole = sample(60, 80)
    (tmp_path / "photo.jpg").write_bytes(picture(photo, "JPEG"))
    (tmp_path / "photo.png").write_bytes(picture(photo))
    (tmp_path / "mask.png").write_bytes(mask_file(hole))
    code = code.replace("http://127.0.0.1:7860", served.address)
    command = [sys.executable, "-c", code] if language == "python" else ["bash", "-euo", "pipefail", "-c", code]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, env=environment)
    assert done.returncode == 0, done.stderr
    made = {p.name for p in tmp_path.iterdir()} - {"photo.jpg", "photo.png", "mask.png"}
    assert made or done.stdout.strip()
    for name in made & {"filled.jpg", "filled.png", "found.png"}:
        assert (tmp_path / name).stat().st_size > 100


def test_page_and_api_share_one_queue(served):
    assert served.client.get("/").status_code == 200 and "gradio" in served.client.get("/").text
    held = served.service.turns.ask("somebody")
    try:
        from gradio_client import Client, handle_file

        photo, hole = sample()
        folder = served.service.root
        (folder / "p.png").write_bytes(picture(photo))
        (folder / "m.png").write_bytes(mask_file(hole))
        client = Client(served.address, verbose=False)
        files = {"photo": handle_file(str(folder / "p.png")), "mask": handle_file(str(folder / "m.png"))}
        job = client.submit(**files, engine="ns", api_name="/fill")
        with pytest.raises(TimeoutError):
            job.result(timeout=2)
        assert served.service.turns.queued == 1
        assert list(served.service.turns._queues) == [f"page:{client.session_hash}"]
    finally:
        held.done()
    assert job.result(timeout=60)[1]["engines"] == "ns"
