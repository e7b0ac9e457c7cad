"""The journal of a batch: JSON lines, appended and forced to the disk, from which a killed run goes on.

    run     id, options, versions                                   a run begins to be planned
    masks   masks                                                   what the rule `repeated` has learnt, PNGs by size
    plan    output, photo, masks, rule, stamps                      one per task
    begin   tasks                                                   the plan is complete
    ready   output, sha256                                          a file is about to appear under its name
    done    output, photo, hashes, result hash, seconds, engine     it did
    failed  output, photo, reason         empty  the same, for a mask that marks nothing
    end     counts, stopped                                         the run is over, whole or stopped

Only the process that leads the run writes it, so no line is ever torn by another's.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from inpaint.errors import InpaintError, OutputError, shown

VERSION = 1
_FIRST = b'{"kind": "run", "version": '  # how every journal begins


class JournalError(InpaintError):
    """A journal cannot be read, belongs to another run, or is in use."""


@dataclass
class Past:
    """What a journal says about its last run.

    Args:
        run: the `run` record, or None where no run began.
        plan: `plan` records by output.
        ready: hashes under which an output may have appeared, by output.
        done: `done` records by output.
        failed: outputs that failed or had nothing to fill.
        masks: what its rule has learnt, PNGs as texts by "HEIGHTxWIDTH".
        ended: the run came to its end, with nothing left to do.
        size: bytes of the journal up to its last whole line.
    """

    run: dict[str, Any] | None = None
    plan: dict[str, dict[str, Any]] = field(default_factory=dict)
    ready: dict[str, list[str]] = field(default_factory=dict)
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    masks: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    size: int = 0


def read_journal(path: Path) -> Past:
    """Read a journal; a last line that a kill cut short is ignored.

    Raises:
        JournalError: it cannot be read, is no journal or is damaged elsewhere.
    """
    past, begun = Past(), False
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if number == 1 and line[: len(_FIRST)] != _FIRST[: len(line)]:  # a file of the user's, never to be cut
                    raise JournalError(f"{shown(path)}: is not the journal of a batch")
                if not line.endswith(b"\n"):
                    break
                record = _parse(path, number, line)
                if record["kind"] == "run":
                    if record.get("version") != VERSION:
                        raise JournalError(f"{shown(path)}: is the journal of another version of inpaint")
                    past, begun = Past(run=record, size=past.size), False
                begun = begun or record["kind"] == "begin"
                _take(past, record)
                past.size += len(line)
    except FileNotFoundError:
        return past
    except OSError as error:
        raise JournalError(f"{shown(path)}: cannot be read ({error.strerror or error})") from None
    return past if begun else Past(size=past.size)


def _parse(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
        record["kind"]
    except (ValueError, KeyError, TypeError):
        raise JournalError(f"{shown(path)}: line {number} is not a record of a batch") from None
    return record


def _take(past: Past, record: dict[str, Any]) -> None:
    kind, output = record["kind"], record.get("output", "")
    past.ended = kind == "end" and not record["stopped"]
    if kind == "plan":
        past.plan[output] = record
    elif kind == "masks":
        past.masks = record["masks"]
    elif kind == "ready":
        past.ready.setdefault(output, []).append(record["sha256"])
    elif kind == "done":
        past.done[output] = record
        past.failed.discard(output)
    elif kind in ("failed", "empty"):
        past.failed.add(output)


class Journal:
    """Appends records; one process at a time.

    Args:
        path: the file; its folder is made.

    Raises:
        JournalError: another process writes it.
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise OutputError(f"{shown(path)}: cannot be written ({error.strerror or error})") from None
        try:
            _lock(self._file)
        except OSError:
            os.close(self._file)
            raise JournalError(f"{shown(path)}: another batch is writing it") from None

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        os.close(self._file)

    def cut(self, size: int) -> None:
        """Shorten the file to so many bytes, which removes a torn last line."""
        os.ftruncate(self._file, size)

    def write(self, records: Iterable[dict[str, Any]]) -> None:
        """Append records and wait until the disk has them.

        Raises:
            OutputError: the disk is full or gone.
        """
        lines = "".join(json.dumps(record) + "\n" for record in records).encode()
        try:
            while lines:
                lines = lines[os.write(self._file, lines) :]
            os.fsync(self._file)
        except OSError as error:
            raise OutputError(f"{shown(self.path)}: cannot be written ({error.strerror or error})") from None


def _lock(file: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows, where nothing warns of two runs with one journal
        return
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
