"""What is installed: the wheel's contents and metadata, the version, and that one OpenCV is asked for."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import inpaint

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NOT_IN_A_COPY = shutil.ignore_patterns(".git", ".*_cache", "runs", "build", "dist", "*.egg-info", "*.pyc", "*.nb[ic]")
MOST_BYTES = 40_000_000


def names(requirements):
    return {re.sub(r"[-_.]+", "-", Requirement(one).name).lower() for one in requirements}


def build(target, source):
    command = [sys.executable, "-m", "build", f"--{target}", "--no-isolation", "--outdir", str(source / "made")]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = (source / "made").glob("*.whl" if target == "wheel" else "*.tar.gz")
    return made


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the project as it looks after use: compiled files and numba's kernels lie beside the sources."""
    missing = [name for name in ("build", "setuptools") if find_spec(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed")
    copy = tmp_path_factory.mktemp("source") / "inpaint"
    shutil.copytree(ROOT, copy, ignore=NOT_IN_A_COPY)
    for folder in (copy / "inpaint" / "filling", copy / "weights", copy / "tests"):
        (folder / "__pycache__").mkdir(exist_ok=True)
        for name in ("kernels.vote-1.py311.nbi", "kernels.vote-1.py311.1.nbc", "kernels.cpython-311.pyc"):
            (folder / "__pycache__" / name).write_bytes(b"left behind")
            (folder / name).write_bytes(b"left behind")
    return copy


@pytest.fixture(scope="module")
def wheel(source):
    return build("wheel", source)


def test_the_wheel_holds_the_package_and_its_data_and_nothing_else(wheel):
    assert wheel.stat().st_size < MOST_BYTES
    with zipfile.ZipFile(wheel) as archive:
        held = {info.filename: info.file_size for info in archive.infolist()}
    package = {name for name in held if ".dist-info/" not in name}
    sources = {str(f.relative_to(ROOT)) for f in (ROOT / "inpaint").rglob("*") if f.is_file()}
    sources = {name for name in sources if "__pycache__" not in name and not name.endswith((".nbi", ".nbc", ".pyc"))}
    weights = {f"inpaint/weights/{f.name}" for f in (ROOT / "weights").iterdir() if f.is_file()}
    assert package == {name.replace("\\", "/") for name in sources} | weights
    assert held["inpaint/weights/dilated.safetensors"] == (ROOT / "weights" / "dilated.safetensors").stat().st_size


def test_the_wheel_says_what_the_project_says(wheel):
    with zipfile.ZipFile(wheel) as archive:
        info = f"inpaint_dilated-{inpaint.__version__}.dist-info"
        metadata = message_from_bytes(archive.read(f"{info}/METADATA"))
        assert archive.read(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
        assert "inpaint = inpaint.cli:console" in archive.read(f"{info}/entry_points.txt").decode()
    assert metadata["Name"] == "inpaint-dilated" and metadata["Version"] == inpaint.__version__
    assert metadata["License-Expression"] == "Apache-2.0" and metadata["Requires-Python"] == ">=3.11"
    assert set(metadata.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])
    asked = [one for one in metadata.get_all("Requires-Dist") if "extra ==" not in one]
    assert names(asked) == names(PROJECT["dependencies"])


def test_a_wheel_that_was_unpacked_elsewhere_finds_its_own_weights(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = "import inpaint, inpaint.models.weights as w; print(w.default_weights('dilated'), inpaint.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "site"), "PATH": ""},
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    package = tmp_path / "site" / "inpaint"
    assert done.stdout.split() == [str(package / "weights" / "dilated.safetensors"), str(package / "__init__.py")], (
        done.stderr
    )


def test_the_source_archive_can_be_tested_and_holds_no_compiled_file(source):
    with tarfile.open(build("sdist", source)) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {
        "pyproject.toml", "LICENSE", "README.md", "README.zh-CN.md", "CONTRIBUTING.md", "CHANGELOG.md", "app.py",
        "requirements.txt", "requirements-dev.txt", "weights/dilated.safetensors", "inpaint/web/canvas.js",
        "tests/conftest.py", "tests/test_packaging.py", "docs/results.json", "examples/python_api.py",
        "benchmarks/__init__.py",
    }  # fmt: skip
    assert wanted <= held
    assert not [name for name in held if name.endswith((".pyc", ".nbi", ".nbc"))]


def test_the_version_stands_in_one_place():
    assert PROJECT["dynamic"] == ["version"] and "version" not in PROJECT
    stated = re.compile(r"""(__version__|^version)\s*(:\s*\w+)?=\s*["']\d""", re.M)
    files = [*(ROOT / "inpaint").rglob("*.py"), ROOT / "app.py", ROOT / "pyproject.toml"]
    assert [f for f in files if stated.search(f.read_text(encoding="utf-8"))] == [ROOT / "inpaint" / "__init__.py"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", inpaint.__version__)


def test_requirements_pin_what_the_project_depends_on():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").split("\n")
    pins = {Requirement(line).name: Requirement(line) for line in lines if line}
    assert names(str(pin) for pin in pins.values()) == names(PROJECT["dependencies"])
    for wanted in map(Requirement, PROJECT["dependencies"]):
        (pin,) = pins[wanted.name].specifier
        assert pin.operator == "==" and wanted.specifier.contains(pin.version)


def test_extras_are_those_that_messages_and_pages_name():
    pattern = re.compile(r"inpaint-dilated\[(\w+)\]|check_installed\(\s*\"(\w+)\"")
    files = [*(ROOT / "inpaint").rglob("*.py"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")]
    named = {next(filter(None, hit)) for f in files for hit in pattern.findall(f.read_text(encoding="utf-8"))}
    assert named <= set(PROJECT["optional-dependencies"]) and "cluster" in named


def test_every_opencv_that_is_asked_for_is_the_same_one():
    # Each of OpenCV's packages holds a folder `cv2`, so that two of them overwrite each other's files.
    extras = chain.from_iterable(PROJECT["optional-dependencies"].values())
    asked = names(PROJECT["dependencies"]) | names(extras)
    for name in sorted(asked):
        try:
            asked |= names(r for r in importlib.metadata.requires(name) or [] if "extra ==" not in r)
        except importlib.metadata.PackageNotFoundError:
            continue
    assert {name for name in asked if name.startswith("opencv")} == {"opencv-python"}


def test_one_cv2_is_installed():
    owners = importlib.metadata.packages_distributions()["cv2"]
    assert len(set(owners)) == 1, owners
