import numpy as np
import pytest
import torch
from PIL import Image

from inpaint import Inpainter


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Small networks are faster on one thread, and much faster beside other work."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def inpainter():
    return Inpainter.load(device="cpu")


def scene(height, width, seed=0):
    """A sky-to-ground gradient with texture and an edge: smooth, textured and structured parts in one photo."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    base = np.stack([120 + 90 * y, 140 + 40 * x, 200 - 120 * y], axis=2)
    base[x > 0.5 + 0.2 * y] *= 0.6
    return np.clip(base + rng.normal(0, 6, base.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def photo_files(tmp_path):
    """A photo of 96x72 pixels and a mask with a box in the middle, as PNG files."""
    photo = scene(72, 96)
    mask = np.zeros((72, 96), np.uint8)
    mask[20:50, 30:60] = 255
    Image.fromarray(photo).save(tmp_path / "photo.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path


@pytest.fixture
def store():
    """The page's sessions, gone after the test."""
    from inpaint.web.session import SessionStore

    store = SessionStore()
    yield store
    store.close()
