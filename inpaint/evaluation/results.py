"""The results file: written whole or not at all, checked when it is read."""

import json
import math
import os
from pathlib import Path
from typing import Any

from inpaint.errors import InpaintError, OutputError

SCHEMA = 1
_PARTS = {
    "settings": dict, "photos": list, "engines": dict, "metrics": list, "records": list, "summary": list,
    "failures": list,
}  # fmt: skip


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, list) else value


def to_text(results: dict[str, Any]) -> str:
    """JSON with one line per list entry, so that changes can be read line by line."""
    parts = []
    for key, value in _rounded(results).items():
        if isinstance(value, list) and value:
            lines = ",\n  ".join(json.dumps(v, separators=(",", ":")) for v in value)
            parts.append(f"{json.dumps(key)}: [\n  {lines}\n]")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value, indent=2)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all; raises OutputError."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(text.encode("utf-8", "surrogateescape"))  # names of files may be no text
        os.replace(partial, path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from None


def read_results(path: Path) -> dict[str, Any]:
    """Read a results file.

    Raises:
        InpaintError: missing, not JSON, or not a results file of this version; the text names the file.
    """
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InpaintError(f"{path}: file not found") from None
    except OSError as error:
        raise InpaintError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise InpaintError(f"{path}: is not JSON ({error})") from None
    if not isinstance(results, dict) or "schema" not in results:
        raise InpaintError(f"{path}: is not a results file of `evaluate`")
    if results["schema"] != SCHEMA:
        raise InpaintError(f"{path}: has schema {results['schema']}, this version reads {SCHEMA}")
    for part, kind in _PARTS.items():
        if not isinstance(results.get(part), kind):
            raise InpaintError(f"{path}: is not a results file of `evaluate`, it has no {part!r}")
    return results
