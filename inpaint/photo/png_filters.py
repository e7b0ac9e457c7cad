"""The five filters of PNG rows (third edition, section 9), as loops to be compiled."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


@njit(nogil=True, inline="always")
def _filtered(kind: int, row: Bytes, up: Bytes, step: int, out: Bytes) -> None:
    """One row (length,) under one filter; `step` is the bytes of a pixel."""
    for i in range(min(step, row.shape[0])):  # no pixel to the left
        guess = up[i] if kind == 2 or kind == 4 else up[i] >> 1 if kind == 3 else 0
        out[i] = np.uint8(row[i] - guess)
    if kind == 0:
        for i in range(step, row.shape[0]):
            out[i] = row[i]
    elif kind == 1:
        for i in range(step, row.shape[0]):
            out[i] = np.uint8(row[i] - row[i - step])
    elif kind == 2:
        for i in range(step, row.shape[0]):
            out[i] = np.uint8(row[i] - up[i])
    elif kind == 3:
        for i in range(step, row.shape[0]):
            out[i] = np.uint8(row[i] - np.uint8((np.uint16(row[i - step]) + np.uint16(up[i])) >> 1))
    else:
        for i in range(step, row.shape[0]):
            left, over, corner = np.int16(row[i - step]), np.int16(up[i]), np.int16(up[i - step])
            across, down = np.int16(over - corner), np.int16(left - corner)
            to_left, to_over, to_corner = abs(across), abs(down), abs(np.int16(across + down))
            guess = left if to_left <= to_over and to_left <= to_corner else over if to_over <= to_corner else corner
            out[i] = np.uint8(row[i] - np.uint8(guess))  # Paeth's predictor, section 9.4


def filter_rows(rows: Bytes, above: Bytes, out: Bytes, step: int) -> None:
    """Filter rows, each with the filter that gives the smallest sum of absolute differences (section 12.7).

    Args:
        rows: uint8 (rows, length).
        above: uint8 (length,), the row before the first.
        out: uint8 (rows, 1 + length), written: each row's filter type, then its differences.
        step: bytes of a pixel.
    """
    length = rows.shape[1]
    trial = np.empty(length, np.uint8)
    for y in range(rows.shape[0]):
        row, up = rows[y], above if y == 0 else rows[y - 1]
        least = np.int64(-1)
        for kind in range(5):
            _filtered(kind, row, up, step, trial)
            total = np.int64(0)
            for i in range(length):
                total += abs(np.int16(np.int8(trial[i])))
            if least < 0 or total < least:
                least = total
                out[y, 0] = kind
                out[y, 1:] = trial


def rows_differ(rows: Bytes, above: Bytes, stored: Bytes, step: int) -> bool:
    """Whether stored rows are others than `rows` under the filters that they name; arguments as for `filter_rows`."""
    trial = np.empty(rows.shape[1], np.uint8)
    for y in range(rows.shape[0]):
        kind = stored[y, 0]
        if kind > 4:
            return True
        _filtered(kind, rows[y], above if y == 0 else rows[y - 1], step, trial)
        wrong = np.uint8(0)
        for i in range(rows.shape[1]):
            wrong |= trial[i] ^ stored[y, 1 + i]
        if wrong:
            return True
    return False
