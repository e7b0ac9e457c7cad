"""Quality cannot silently fall: six small photos against what was committed (docs/evaluation.md says how to renew)."""

from pathlib import Path

import pytest
import torch

from inpaint.cli import main
from inpaint.evaluation.results import read_results
from inpaint.models.dilated import Dilated
from inpaint.models.weights import save_weights
from tests.reference_photos import write_reference_photos

REFERENCE = Path(__file__).with_name("reference.json")
KINDS = "thin,thick,objects"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    write_reference_photos(folder)
    return folder


def evaluate(photos, output, *extra):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("INPAINT_NETS", raising=False)  # so that it measures the same everywhere
        return main(["evaluate", "--photos", str(photos), "--output", str(output), *extra])


def compare(output):
    names = ["--metric", "l1", "--tolerance", "0.03"]
    return main(["evaluate", "compare", str(REFERENCE), str(output / "results.json"), *names])


def test_quality_has_not_fallen(photos, tmp_path):
    assert evaluate(photos, tmp_path, "--engines", "auto,network,telea", "--masks", KINDS) == 0
    assert compare(tmp_path) == 0
    reference = read_results(REFERENCE)
    assert {r["engine"] for r in reference["records"]} == {"auto", "network", "telea"}
    assert len(reference["records"]) == 6 * 3 * 3


def test_a_network_that_knows_nothing_is_caught(photos, tmp_path, capsys):
    torch.manual_seed(0)
    network = Dilated()
    torch.nn.init.normal_(network.exit.weight, std=0.3)  # noise; what starts near zero is repaired by the seam
    save_weights(network, "dilated", tmp_path / "untrained.safetensors", {})
    names = ["--engines", "network", "--models", str(tmp_path / "untrained.safetensors"), "--masks", "objects"]
    assert evaluate(photos, tmp_path, *names) == 0
    assert compare(tmp_path) == 1
    assert "regressed beyond its interval: L1 in the hole of network on objects" in capsys.readouterr().err
