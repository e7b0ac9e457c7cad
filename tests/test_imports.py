import ast
from pathlib import Path

import pytest

import inpaint

ROOT = Path(inpaint.__file__).parent
LEVELS = [
    {"options", "errors"}, {"models", "photo", "masking"}, {"filling"}, {"inpainter", "evaluation", "training"},
    {"fill_file"}, {"web", "batch"}, {"commands"}, {"cli", "__main__"},
]  # fmt: skip
RANK = {name: rank for rank, names in enumerate(LEVELS) for name in names}
FILES = sorted(f for f in ROOT.rglob("*.py") if f != ROOT / "__init__.py")


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_run_one_way(file):
    own = RANK[file.relative_to(ROOT).parts[0].removesuffix(".py")]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("inpaint."):
            assert RANK[node.module.split(".")[1]] <= own, f"{file} imports {node.module}"


def test_files_stay_readable():
    assert max(len(f.read_text().splitlines()) for f in FILES) <= 400
