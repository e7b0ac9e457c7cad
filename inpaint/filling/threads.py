"""How many CPU threads the libraries use."""

import os

from inpaint.errors import OptionError

MOST = 1024  # threads that are taken for meant
SPINS = 1000  # turns that a thread of GNU's OpenMP waits awake for the others, some 20 microseconds; its own: 300,000


def check_threads(threads: int | None) -> None:
    """Refuse a number of threads below 1 or above 1,024; raises OptionError."""
    if threads is not None and not 1 <= threads <= MOST:
        raise OptionError(f"threads must be between 1 and {MOST}, got {threads}")


def set_threads(threads: int | None) -> None:
    """Let torch, OpenCV and the patch search use this many CPU threads; None leaves their choice.

    The patch search counts threads for each thread that calls it, so that each has to be told.

    Raises:
        OptionError: below 1 or above 1,024.
    """
    check_threads(threads)
    if threads is None:
        return
    import cv2
    import numba
    import torch

    cv2.setNumThreads(threads)
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    if torch.get_num_threads() != threads:  # last, because numba's start sets the threads of OpenMP for all
        torch.set_num_threads(threads)


def wait_asleep() -> None:
    """Let threads that wait for each other sleep instead of spinning, unless the user settled it by OpenMP's variables.

    A fill has some 800 short parallel loops. Where other programs use the cores, the default wait of some 4 ms awake at
    the end of each takes the very core that the other thread needs. GNU's OpenMP, below torch and numba on Linux, reads
    this when it is loaded, so it has no effect once torch is imported; other systems' do not read it.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))
