"""The five filters of PNG rows (third edition, section 9), as loops to be compiled."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


@njit(nogil=True, inline="always")
def _mean(left: np.uint8, over: np.uint8) -> np.uint8:
    return np.uint8((np.uint16(left) + np.uint16(over)) >> 1)


@njit(nogil=True, inline="always")
def _paeth(left: np.uint8, over: np.uint8, corner: np.uint8) -> np.uint8:
    """Paeth's predictor (section 9.4)."""
    a, b, c = np.int16(left), np.int16(over), np.int16(corner)
    across, down = np.int16(b - c), np.int16(a - c)
    to_left, to_over, to_corner = abs(across), abs(down), abs(np.int16(across + down))
    return np.uint8(a if to_left <= to_over and to_left <= to_corner else b if to_over <= to_corner else c)


@njit(nogil=True, inline="always")
def _filtered(kind: int, row: Bytes, up: Bytes, step: int, out: Bytes) -> None:
    """One row (length,) under one filter; `step` is the bytes of a pixel.

    The loops run over views that start together: an index such as `i - step` would keep them from being vectorised.
    """
    for i in range(min(step, row.shape[0])):  # no pixel to the left
        guess = up[i] if kind == 2 or kind == 4 else up[i] >> 1 if kind == 3 else 0
        out[i] = np.uint8(row[i] - guess)
    value, left, over, corner, rest = row[step:], row[:-step], up[step:], up[:-step], out[step:]
    if kind == 0:
        for i in range(value.shape[0]):
            rest[i] = value[i]
    elif kind == 1:
        for i in range(value.shape[0]):
            rest[i] = np.uint8(value[i] - left[i])
    elif kind == 2:
        for i in range(value.shape[0]):
            rest[i] = np.uint8(value[i] - over[i])
    elif kind == 3:
        for i in range(value.shape[0]):
            rest[i] = np.uint8(value[i] - _mean(left[i], over[i]))
    else:
        for i in range(value.shape[0]):
            rest[i] = np.uint8(value[i] - _paeth(left[i], over[i], corner[i]))


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
        row, up, kept = rows[y], above if y == 0 else rows[y - 1], out[y, 1:]
        least = np.int64(-1)
        for kind in range(5):
            _filtered(kind, row, up, step, trial)
            total = np.int64(0)
            for i in range(length):
                total += min(trial[i], np.uint8(-trial[i]))  # absolute value of the byte as a signed number
            if least < 0 or total < least:
                least = total
                out[y, 0] = kind
                kept[:] = trial


def rows_differ(rows: Bytes, above: Bytes, stored: Bytes, step: int) -> bool:
    """Whether stored rows are others than `rows` under the filters that they name; arguments as for `filter_rows`."""
    trial = np.empty(rows.shape[1], np.uint8)
    for y in range(rows.shape[0]):
        kind = stored[y, 0]
        if kind > 4:
            return True
        _filtered(kind, rows[y], above if y == 0 else rows[y - 1], step, trial)
        wrong, found = np.uint8(0), stored[y, 1:]
        for i in range(rows.shape[1]):
            wrong = np.uint8(wrong | (trial[i] ^ found[i]))
        if wrong:
            return True
    return False
