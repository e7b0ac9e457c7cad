"""A bucket that speaks S3 over HTTP: `moto` serves it in this process, worker processes and all reach it by its URL."""

import json
import urllib.request

import pytest

from inpaint.cli import main
from tests.batches import tree, upload

s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed: pip install s3fs 'moto[server]'")
server = pytest.importorskip("moto.server", reason="moto is not installed: pip install s3fs 'moto[server]'")


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """Six photos and masks in `s3://bucket`, and the same in files."""
    service = server.ThreadedMotoServer(port=0, verbose=False)
    service.start()
    host, port = service.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1", "XDG_STATE_HOME": str(tmp_path / "state"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    system = s3fs.S3FileSystem()
    system.mkdir("bucket")
    upload(system, tmp_path)
    yield system
    s3fs.S3FileSystem.clear_instance_cache()
    urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST"))
    service.stop()


def run(*extra):
    places = ["s3://bucket/photos", "-m", "s3://bucket/masks", "-o", "s3://bucket/out"]
    return main(["batch", *places, "--engine", "telea", "--threads", "1", *extra])


def test_photos_masks_and_output_in_a_bucket(tmp_path, bucket, capsys):
    bucket.pipe_file("bucket/photos/c/bad.png", b"no picture")
    bucket.pipe_file("bucket/masks/c/bad.png", b"no picture")
    assert run("--plan", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["tasks"]) == 7
    assert run("--workers", "2") == 1
    shown = capsys.readouterr()
    assert "6 done, 1 failed" in shown.out and "error: s3://bucket/photos/c/bad.png: is not a picture" in shown.err
    local = ["batch", str(tmp_path / "photos"), "-m", str(tmp_path / "masks"), "-o", str(tmp_path / "out")]
    assert main([*local, "--engine", "telea", "--threads", "1", "--workers", "0"]) == 0
    bucket.invalidate_cache()
    made = tree(tmp_path / "out")
    assert {name: bucket.cat_file(f"bucket/out/{name}") for name in made} == made
    assert len(bucket.find("bucket/out")) == 6


def test_a_bucket_is_resumed_and_nothing_in_it_overwritten(bucket, capsys):
    assert run("--workers", "0") == 0
    bucket.rm_file("bucket/out/a/photo00.png")
    assert run("--workers", "0", "--resume") == 0
    assert "1 done, 5 done before" in capsys.readouterr().out
    assert run("--workers", "0") == 1
    assert "holds a run that has ended (6 of 6 done); continue it with --resume" in capsys.readouterr().err
