"""What starting costs: what must not be imported to show help or to refuse a wrong command."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "cv2", "gradio", "numba", "numpy", "PIL", "fastapi", "skimage", "matplotlib", "ray")
CODE = f"""
import sys
from inpaint.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print("exit", end.code)
print("imported", *[name for name in {HEAVY!r} if name in sys.modules])
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--help"], 0), (["fill", "--help"], 0), (["batch", "--help"], 0), (["evaluate", "--help"], 0), (["nothing"], 2)],
    ids=["help", "fill", "batch", "evaluate", "wrong"],
)
def test_help_imports_nothing_heavy(arguments, code):
    done = subprocess.run([sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, timeout=120)
    *_, ended, imported = done.stdout.splitlines()
    assert (ended, imported.split()) == (f"exit {code}", ["imported"]), done.stderr


def test_the_package_itself_imports_nothing_heavy():
    code = f"import sys, inpaint; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr
