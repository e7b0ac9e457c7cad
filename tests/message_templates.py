"""The sentences that the program can say to a person, read off its source."""

import ast
import re
from pathlib import Path

import inpaint

ROOT = Path(inpaint.__file__).parent
ERRORS = re.compile(r"(Error|EmptyMask|NothingFound|NothingToDo|Cancelled|Busy|SessionGone|Full|Died|Late)$")
NAME = re.compile(r"^(\{\}|[\w.-]+): |^\{\}(?=the mask )")  # a file in front


def shape(node):
    """A string as a template, `{}` for each value; None for what is no string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)
    return None


def sentences(files):
    """Templates of all raised errors and noted sentences: {template: where}."""
    found = {}

    def take(node, place):
        if isinstance(node, ast.IfExp):
            take(node.body, place)
            take(node.orelse, place)
        elif (text := shape(node)) is not None and text.strip("{}: "):
            found.setdefault(NAME.sub("", text), place)

    for file in files:
        for node in ast.walk(ast.parse((ROOT / file).read_text())):
            place = f"{file}:{getattr(node, 'lineno', 0)}"
            called = getattr(getattr(node, "func", None), "id", getattr(getattr(node, "func", None), "attr", ""))
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                name = getattr(node.exc.func, "id", "")
                if ERRORS.search(name) and name not in ("ValueError", "AttributeError") and node.exc.args:
                    take(node.exc.args[0], place)
            elif isinstance(node, ast.Call) and called == "append" and "note" in ast.unparse(node.func):
                take(node.args[0], place)
            elif isinstance(node, ast.Call) and called == "_doubt":
                take(node.args[1], place)
            elif isinstance(node, ast.Call) and called == "Choice" and len(node.args) > 3:
                take(node.args[3], place)
    return found


if __name__ == "__main__":
    import sys

    for text, place in sentences(sys.argv[1:]).items():
        print(f"{place}\t{text}")
