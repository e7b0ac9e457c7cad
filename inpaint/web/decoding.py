"""Files that people upload, decoded in processes of their own: one that crashes or hangs is replaced, the page goes on.

The processes hold no network and no torch, only what reads and writes pictures, and start in a fraction of a second.
"""

import contextlib
import gc
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inpaint.errors import InpaintError, PhotoError, shown
from inpaint.photo.access import PictureFiles
from inpaint.photo.decode import errors_named, identify, written_format
from inpaint.photo.files import Saved, save_photo
from inpaint.photo.limits import Limits, read_bytes
from inpaint.photo.masks import Mask
from inpaint.photo.picture import Photo, Pixels
from inpaint.web.pictures import write_thumbnail

PATIENCE = 180.0  # seconds for one file
HERE = PictureFiles()  # of the process that does the work
Steps = list[tuple[Path, Path]]  # by `numpy.save`: packed hole, values inside; oldest first


class Crashed(PhotoError):
    """A file that ended the process which decoded it."""


class Decoders(PictureFiles):
    """A few processes that read and write picture files; each method also raises Crashed where a file ended one.

    Args:
        count: of the processes; each is started when it is first needed.
        patience: seconds for one file.
    """

    def __init__(self, count: int = 2, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes] | None] = queue.SimpleQueue()
        self._all: set[subprocess.Popen[bytes]] = set()
        for _ in range(count):
            self._idle.put(None)

    def photo(self, path: Path, limits: Limits) -> Photo:
        """`load_photo`, with its errors."""
        return self._do("photo", path, limits)  # type: ignore[no-any-return]

    def mask(
        self, path: Path, shape: tuple[int, int], mask_is: str, orientation: int, limits: Limits
    ) -> tuple[Mask, list[str]]:
        """`load_mask` and its notes, with its errors."""
        return self._do("mask", path, shape, mask_is, orientation, limits)  # type: ignore[no-any-return]

    def size(self, path: Path) -> tuple[int, int] | None:
        """See `PictureFiles`; None also where the file ended the process."""
        try:
            return self._do("size", path)  # type: ignore[no-any-return]
        except InpaintError:
            return None

    def write(
        self, hidden: Path, photo: Photo, path: Path, *, lossless: bool, keep_time: bool,
        hole: NDArray[np.bool_] | None, durable: bool,
    ) -> Saved:  # fmt: skip
        """`write_photo`, with its errors."""
        return self._do("write", path, hidden, photo, lossless, keep_time, hole, durable)  # type: ignore[no-any-return]

    def form(self, path: Path, limits: Limits) -> str:
        """The format in which a photo is written back, from its header; raises PhotoError."""
        return self._do("form", path, limits)  # type: ignore[no-any-return]

    def save(self, path: Path, limits: Limits, steps: Steps, output: Path) -> Saved:
        """Read a photo, apply steps to it, write and prove it; errors of `load_photo` and `save_photo`."""
        return self._do("save", path, limits, steps, output)  # type: ignore[no-any-return]

    def thumbnail(self, path: Path, small: Path, side: int, limits: Limits) -> None:
        """`write_thumbnail`; raises InpaintError or ValueError where the file cannot be shown."""
        self._do("thumbnail", path, small, side, limits)

    def start(self) -> None:
        """Start the first process, so that nobody waits for it."""
        with contextlib.suppress(InpaintError):
            self._do("ready", Path())

    def close(self) -> None:
        """End all processes."""
        for process in list(self._all):
            process.kill()
            process.wait()
        self._all.clear()

    def _do(self, work: str, path: Path, *arguments: Any) -> Any:
        process = self._idle.get()
        try:
            if process is None or process.poll() is not None:
                process = self._begin()
            late = threading.Timer(self.patience, process.kill)
            late.start()
            try:
                assert process.stdin is not None and process.stdout is not None
                pickle.dump((work, path, *arguments), process.stdin, protocol=5)
                process.stdin.flush()
                done, value = pickle.load(process.stdout)
            except (EOFError, OSError, pickle.UnpicklingError):
                overdue = not late.is_alive()
                process.kill()
                self._all.discard(process)
                why = "took too long to decode, so it was refused"
                if not overdue:
                    why = f"made the decoder crash ({_ending(process.wait())}), so it was refused"
                raise Crashed(f"{shown(path)}: {why}") from None
            finally:
                late.cancel()
        finally:
            self._idle.put(process)
        if not done:
            raise value
        return value

    def _begin(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-c", "from inpaint.web.decoding import main; main()"]
        where = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": where}
        )
        self._all.add(process)
        return process


def _ending(code: int) -> str:
    if code < 0:
        return signal.Signals(-code).name if -code in {s.value for s in signal.Signals} else f"signal {-code}"
    return f"exit {code}"


def apply_steps(pixels: Pixels, steps: Steps) -> tuple[Pixels, Mask]:
    """Pixels (H, W, 3) after some steps, and all that they were allowed to change, bool (H, W); new arrays."""
    shape = pixels.shape[:2]
    values, hole = pixels.copy() if steps else pixels, np.zeros(shape, bool)
    for packed, inside in steps:
        area = np.unpackbits(np.load(packed), count=hole.size).reshape(shape).astype(bool)
        values[area] = np.load(inside)
        hole |= area
    return values, hole


def _save(path: Path, limits: Limits, steps: Steps, output: Path) -> Saved:
    photo = HERE.photo(path, limits)
    pixels, hole = apply_steps(photo.pixels, steps)
    return save_photo(photo.with_pixels(pixels), output, hole=hole)


def _write(
    path: Path, hidden: Path, photo: Photo, lossless: bool, keep_time: bool, hole: NDArray[np.bool_] | None,
    durable: bool,
) -> Saved:  # fmt: skip
    return HERE.write(hidden, photo, path, lossless=lossless, keep_time=keep_time, hole=hole, durable=durable)


def _form(path: Path, limits: Limits) -> str:
    data = read_bytes(path, limits)
    with errors_named(path):
        return written_format(identify(path, data, limits))


_WORK: dict[str, Callable[..., Any]] = {
    "photo": HERE.photo, "mask": HERE.mask, "size": HERE.size, "write": _write, "form": _form, "save": _save,
    "thumbnail": write_thumbnail, "ready": lambda path: None,
}  # fmt: skip


def main() -> None:
    """The inside of such a process: do what comes through the standard input until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # reaches the whole group; the server decides
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("900")  # where memory runs out, this ends, not the server
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print does not mix with the answers
    while True:
        try:
            work, *arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = (True, _WORK[work](*arguments))
        except (InpaintError, ValueError) as error:
            answer = (False, error)
        except MemoryError:
            answer = (False, PhotoError(f"{shown(arguments[0])}: needs more memory than there is"))
        except Exception as error:  # a fault of ours or of a library: the person hears of it, the process goes on
            reason = " ".join(str(error).split()) or type(error).__name__
            answer = (False, PhotoError(f"{shown(arguments[0])}: is damaged or incomplete ({reason})"))
        pickle.dump(answer, answers, protocol=5)
        answers.flush()
        del answer
        gc.collect()
