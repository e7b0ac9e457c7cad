"""What starting costs: what must not be imported to show help or to refuse a wrong command."""

import os
import subprocess
import sys

import pytest

from inpaint.cli import main

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


@pytest.mark.parametrize(
    ("given", "seen"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "None")]
)
def test_threads_wait_asleep_before_torch_is_imported(given, seen):
    show = "print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"
    code = f"import os, sys, inpaint; inpaint.FillOptions; {show}"
    kept = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**kept, **given})
    assert done.stdout.split() == [seen, "False"], done.stderr


def test_the_command_waits_asleep(monkeypatch):
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert main(["models", "list"]) == 0
    assert os.environ["GOMP_SPINCOUNT"] == "1000"
