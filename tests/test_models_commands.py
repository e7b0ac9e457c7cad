"""`inpaint models ...`, `inpaint receptive-field ...` and fills with each network, as a user types them."""

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from inpaint.cli import main
from inpaint.models import build_network, load_network
from inpaint.models.glcic import GLCICConfig
from inpaint.models.registry import NETWORKS
from inpaint.models.weights import load_weights, save_weights
from tests.test_models_importers import published
from tests.test_models_papers import SMALL


def test_list(capsys):
    assert main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [*NETWORKS, "dilated-permissive"]
    assert "4,052,478" in lines[-2] and "603 px" in lines[-2] and "shipped" in lines[1] and "shipped" in lines[-1]
    assert main(["models", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["glcic"]["parameters"] == 6_072_131 and rows["glcic"]["weights"] is None
    assert rows["deepfill-v1"]["sees_everything"] == ["attention"] and rows["dilated"]["weights"]


def test_list_tells_of_the_networks_that_are_shipped(capsys):
    assert main(["models", "list", "--json"]) == 0
    rows = [row for row in json.loads(capsys.readouterr().out) if row["weights"]]
    assert [row["name"] for row in rows] == ["dilated", "dilated-permissive"]
    for row in rows:
        network = load_network(row["name"])
        assert row["parameters"] == sum(p.numel() for p in network.parameters())
        assert f"{row['parameters']:,}" in Path("docs/models.md").read_text()
        digest = hashlib.sha256(Path(row["weights"]).read_bytes()).hexdigest()
        assert row["name"] == "dilated" or digest in Path(row["weights"]).with_suffix(".md").read_text()


def test_import_converts_exactly(tmp_path, capsys):
    torch.save({"G": published(0)}, tmp_path / "states.pth")
    out = tmp_path / "deepfill-v2.safetensors"
    assert main(["models", "import", str(tmp_path / "states.pth"), "-o", str(out)]) == 0
    assert "deepfill-v2, in the form of nipponjo/deepfillv2-pytorch" in capsys.readouterr().out
    before, (after, record) = load_network("deepfill-v2", tmp_path / "states.pth"), load_weights(out, "deepfill-v2")
    assert all(torch.equal(v, after.state_dict()[k]) for k, v in before.state_dict().items())
    assert record["imported"]["file"] == "states.pth" and len(record["imported"]["sha256"]) == 64
    assert main(["models", "import", str(tmp_path / "states.pth"), "-o", str(out)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert main(["models", "import", str(tmp_path / "states.pth"), "-o", str(out), "--overwrite"]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deepfill-v2.safetensors", "states.pth"]


def test_import_takes_a_hole_value(tmp_path):
    torch.save(published(3), tmp_path / "model_cn")
    command = ["models", "import", str(tmp_path / "model_cn"), "-o", str(tmp_path / "g.safetensors"), "--overwrite"]
    assert main([*command, "--hole-value", "0.45"]) == 0
    assert load_network("glcic", tmp_path / "g.safetensors").config.hole_value == (0.45, 0.45, 0.45)
    assert main([*command, "--hole-value", "0.1", "0.2", "0.3"]) == 0
    assert load_network(tmp_path / "g.safetensors").config.hole_value == (0.1, 0.2, 0.3)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["import", "none.pth", "-o", "x.safetensors"], 1, "none.pth: file not found"),
        (["import", "text.pth", "-o", "x.safetensors"], 1, "text.pth: "),
        (["import", "net.pth", "-o", "x.pth"], 1, "x.pth: the name must end in .safetensors"),
        (["import", "net.pth", "-o", "no/x.safetensors"], 1, "the folder does not exist"),
        (["import", "net.pth", "-o", "x.safetensors", "--model", "deepfill-v2"], 1, "holds weights of glcic"),
        (["import", "net.pth", "-o", "x.safetensors", "--model", "zebra"], 2, "got 'zebra'"),
        (["import", "net.pth", "-o", "x.safetensors", "--hole-value", "1", "2"], 2, "takes one number or three, got 2"),
        (["import", "net.pth", "-o", "x.safetensors", "--hole-value", "3"], 2, "three numbers in [0, 1]"),
        (["export", "glcic", "--onnx", "x.onnx"], 1, "glcic: no weights are shipped for this network"),
        (["export", "net.pth", "--onnx", "x.pt"], 1, "the name must end in .onnx"),
        (["export", "net.pth", "--onnx", "x.onnx", "--guide"], 2, "takes no guide"),
        (["verify", "none.pth"], 1, "none.pth: file not found"),
        (["verify", "zebra"], 2, "got 'zebra'"),
    ],
)
def test_refusals(tmp_path, capsys, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    torch.save(published(3), "net.pth")
    (tmp_path / "text.pth").write_text("hello")
    assert main(["models", *arguments]) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ") and words in error and error.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.pth", "text.pth"]


def test_verify(tmp_path, capsys):
    assert main(["models", "verify"]) == 0
    assert capsys.readouterr().out == "dilated: whole, and fills\ndilated-permissive: whole, and fills\n"
    good, bad = tmp_path / "good.safetensors", tmp_path / "bad.safetensors"
    save_weights(build_network("glcic", GLCICConfig(width=4)), "glcic", good, {})
    damaged = bytearray(good.read_bytes())
    damaged[-9] ^= 4
    bad.write_bytes(damaged)
    assert main(["models", "verify", str(good), str(bad), str(tmp_path / "none.pth")]) == 1
    seen = capsys.readouterr()
    assert seen.out == f"{good}: whole, and fills\n"
    lines = seen.err.splitlines()
    assert len(lines) == 2 and "bad.safetensors: is damaged" in lines[0] and "none.pth: file not found" in lines[1]


@pytest.mark.parametrize("name", list(NETWORKS))
def test_each_network_fills_a_photo(photo_files, name):
    torch.manual_seed(0)
    weights = photo_files / "own.safetensors"
    save_weights(build_network(name, SMALL[name]), name, weights, {})
    names = [str(photo_files / file) for file in ("photo.png", "mask.png")]
    for engine in ("network", "auto"):
        out = photo_files / f"{engine}.png"
        command = ["fill", *names, "-o", str(out), "--model", name, "--weights", str(weights), "--engine", engine]
        assert main([*command, "--report", str(photo_files / f"{engine}.json")]) == 0
        before, after = np.array(Image.open(names[0])), np.array(Image.open(out))
        hole = np.array(Image.open(names[1])) > 127
        assert np.array_equal(before[~hole], after[~hole]) and not np.array_equal(before[hole], after[hole])
    hole_report = json.loads((photo_files / "network.json").read_text())["holes"][0]
    assert hole_report["network_reach"] > 0


def test_published_weights_fill_a_photo(photo_files):
    torch.save({"G": published(0)}, photo_files / "states.pth")
    names = [str(photo_files / file) for file in ("photo.png", "mask.png")]
    command = ["fill", *names, "-o", str(photo_files / "out.png"), "--engine", "network"]
    assert main([*command, "--model", "deepfill-v2", "--weights", str(photo_files / "states.pth")]) == 0
    assert main([*command, "--model", str(photo_files / "states.pth"), "--overwrite"]) == 0


def test_an_export_that_fills_otherwise_leaves_the_old_file(tmp_path, monkeypatch, capsys):
    pytest.importorskip("onnxscript")
    (tmp_path / "a.onnx").write_bytes(b"the old one")

    class Other:
        def __init__(self, path):
            assert path.read_bytes() != b"the old one"

        def __call__(self, photo, mask):
            return photo + 1

    written = SimpleNamespace(metadata_props={}), lambda path, **_: Path(path).write_bytes(b"the new one")
    program = SimpleNamespace(model=written[0], save=written[1])
    monkeypatch.setattr("torch.onnx.export", lambda *_, **__: program)
    monkeypatch.setattr("inpaint.models.runtime.OnnxNetwork", Other)
    assert main(["models", "export", "dilated", "--onnx", str(tmp_path / "a.onnx"), "--overwrite"]) == 1
    assert "a.onnx: gives another fill than the network" in capsys.readouterr().err
    assert [f.name for f in tmp_path.iterdir()] == ["a.onnx"] and (tmp_path / "a.onnx").read_bytes() == b"the old one"
