"""How many CPU threads the libraries use."""

from inpaint.errors import OptionError


def check_threads(threads: int | None) -> None:
    """Refuse a number of threads below 1; raises OptionError."""
    if threads is not None and threads < 1:
        raise OptionError(f"threads must be at least 1, got {threads}")


def set_threads(threads: int | None) -> None:
    """Let torch, OpenCV and the patch search use this many CPU threads; None leaves their choice.

    The patch search counts threads for each thread that calls it, so that each has to be told.

    Raises:
        OptionError: below 1.
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
