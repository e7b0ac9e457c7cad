import base64
import json
import random
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from inpaint.errors import MaskError
from inpaint.web.strokes import rasterise

SCRIPT = Path(__file__).parents[1] / "inpaint" / "web" / "strokes.js"
JS_TESTS = Path(__file__).parent / "js"
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
NOTHING = {}.__getitem__


def random_operations(seed, width, height, count=25):
    rng = random.Random(seed)
    place = lambda: [rng.uniform(-0.1, 1.1) * width, rng.uniform(-0.1, 1.1) * height]  # noqa: E731
    operations = []
    for _ in range(count):
        points = [v for _ in range(rng.randint(1, 9)) for v in place()]
        erase = rng.random() < 0.35
        if rng.random() < 0.6:
            radius = rng.uniform(0.2, width / 6)
            operations.append({"tool": "brush", "radius": radius, "points": points, "erase": erase})
        else:
            corners = [round(v) for v in points] if rng.random() < 0.3 else points
            operations.append({"tool": "polygon", "points": corners, "erase": erase})
    return operations


@needs_node
def test_node_unit_tests():
    files = [str(file) for file in sorted(JS_TESTS.glob("*.test.js"))]
    done = subprocess.run(["node", "--test", *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


@needs_node
def test_page_and_server_paint_the_same_pixels():
    cases = [(random_operations(seed, 320, 200), size) for seed in range(12) for size in ((320, 200), (131, 82))]
    program = f"""
    const {{rasterise}} = require({json.dumps(str(SCRIPT))});
    const cases = {json.dumps(cases)};
    const out = cases.map(([ops, [w, h]]) => Buffer.from(rasterise(ops, w, h, 320, 200).data).toString("base64"));
    process.stdout.write(JSON.stringify(out));
    """
    done = subprocess.run(["node", "-"], input=program, capture_output=True, text=True, check=True)
    for (operations, (width, height)), theirs in zip(cases, json.loads(done.stdout), strict=True):
        ours = rasterise(operations, (height, width), (200, 320), NOTHING)
        page = np.frombuffer(base64.b64decode(theirs), np.uint8).reshape(height, width).astype(bool)
        assert np.array_equal(ours, page)
        assert ours.any() and not ours.all()


def test_shapes_by_hand():
    square = {"tool": "polygon", "points": [1, 1, 4, 1, 4, 3, 1, 3]}
    mask = rasterise([square], (4, 6), (4, 6), NOTHING)
    assert mask.sum() == 6 and mask[1:3, 1:4].all()
    dab = {"tool": "brush", "radius": 1.0, "points": [2.5, 1.5], "erase": True}
    assert rasterise([square, dab], (4, 6), (4, 6), NOTHING).sum() == 2
    assert not rasterise([square, {"tool": "clear"}], (4, 6), (4, 6), NOTHING).any()


def test_masks_of_the_session():
    other = np.zeros((2, 4), bool)
    other[0] = True
    base = {"tool": "polygon", "points": [0, 0, 2, 0, 2, 2, 0, 2]}
    for mode, count in (("add", 6), ("subtract", 2), ("replace", 4)):
        operation = {"tool": "mask", "id": "m", "mode": mode}
        assert rasterise([base, operation], (2, 4), (2, 4), {"m": other}.__getitem__).sum() == count
    assert other.sum() == 4


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        ({"tool": "spray"}, "unknown tool"),
        ({"tool": "brush", "radius": 3, "points": [1, 2, 3]}, "pairs of numbers"),
        ({"tool": "brush", "radius": 3, "points": [1e9, 2]}, "pairs of numbers"),
        ({"tool": "brush", "radius": 3, "points": ["a", 2]}, "not numbers"),
        ({"tool": "brush", "radius": -1, "points": [1, 2]}, "radius of -1"),
        ({"tool": "polygon"}, "numbers"),
    ],
)
def test_what_is_not_a_stroke_is_refused(operation, text):
    with pytest.raises(MaskError, match=text):
        rasterise([operation], (4, 4), (4, 4), NOTHING)
