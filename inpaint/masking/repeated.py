"""What is the same in many photos: a static watermark, a logo, sensor dust, a dirty lens.

After Dekel 2017 ("On the Effectiveness of Visible Watermarks", sections 3.1 and 3.2): the median over the photos of
the gradient keeps what all share, because the photos' own gradients point everywhere; integrating it (a Poisson
equation, here by cosine transform) gives the mark itself up to a constant. Ours: a gradient counts only where it
exceeds the uncertainty of that median; where the paint's tone tells more (grey paint darkens one photo and lightens
the next), its gradient is taken as `tone` does; and the mask is widened as far as the mark has measurably changed the
photos: by its soft rim, by the ringing and the bleeding colours of a JPEG.
"""

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inpaint.errors import MaskError, OptionError
from inpaint.masking.edit import remove_specks
from inpaint.masking.pixels import Floats, Mask, disc, eight_bits, shrunk
from inpaint.masking.tone import mark_gradient

LEAST = 8  # photos: with fewer, what they happen to share cannot be told from a mark
MOST = 60  # photos that are looked at; more would not tell more
LONGEST = 1600  # pixels of the longer side that is searched
LEAST_EDGE = 12  # pixels of sure gradient that make a mark
HALF = 0.45  # of a mark's strength at its edges, above which a pixel is in it
RIM, BEYOND = 6, 10  # pixels: how far a mark's soft rim and ringing may reach; the photos beyond are compared with
LEFT = np.array([[1.0], [2.5], [2.5]])  # levels of grey, red - green, blue - green by which a ring may still differ
SOFT = 0.1  # of a mark's strength, above which a pixel on its rim is covered in part
SURE = 2.5  # standard errors of its residue that show a ring
SMALL = 400  # pixels of the longer side at which the paint's tone is looked for
TONES = (0.0, 64.0, 128.0, 192.0, 255.0)  # of paint, in grey levels
QUIET, ROUGH, SCALE = 0.5, 2500.0, 6.0  # least and most variance of a gradient, and pixels over which it is taken
REACH = 18  # pixels beyond a band that are looked at for it
LEAST_TOLD = 4.0  # photos that must tell of a gradient, counted by their weights
BAND = 64  # rows whose medians are taken at once, which bounds the memory


def repeated_mask(photos: Iterable[NDArray[Any]], sensitivity: float = 0.5) -> Mask:
    """The mask of what all photos of one size share.

    Args:
        photos: 8 or more, each uint8 or uint16 (H, W, 3) RGB; at most 60 of them are looked at.
        sensitivity: 0 takes only strong marks, 1 also faint ones.

    Returns:
        bool (H, W), True = hole; empty where nothing is shared.

    Raises:
        MaskError: fewer than 8 photos, or sizes that differ (`repeated_masks` groups them).
        OptionError: sensitivity outside 0 to 1.
    """
    masks, left_out = repeated_masks(photos, sensitivity)
    if left_out and not masks:
        raise MaskError(f"what photos share can be told from {LEAST} of one size or more, got {_counts(left_out)}")
    if len(masks) + len(left_out) > 1:
        raise MaskError(f"the photos have several sizes: {_counts(left_out, masks)}; make one mask for each size")
    return next(iter(masks.values()))


def repeated_masks(
    photos: Iterable[NDArray[Any]], sensitivity: float = 0.5
) -> tuple[dict[tuple[int, int], Mask], dict[tuple[int, int], int]]:
    """As `repeated_mask`, for photos of several sizes.

    Returns:
        A mask for each (height, width) of which there are 8 photos or more, and how many photos there are of the
        other sizes.

    Raises:
        MaskError: no photos.
        OptionError: sensitivity outside 0 to 1.
    """
    if not 0 <= sensitivity <= 1:
        raise OptionError(f"sensitivity must be between 0 and 1, got {sensitivity}")
    groups: dict[tuple[int, int], list[NDArray[np.uint8]]] = {}
    for photo in photos:
        pixels = eight_bits(photo)
        group = groups.setdefault((pixels.shape[0], pixels.shape[1]), [])
        if len(group) < MOST:
            group.append(shrunk(pixels, LONGEST)[0])
    if not groups:
        raise MaskError("no photos to find what they share")
    masks = {}
    for shape, group in groups.items():
        if len(group) >= LEAST:
            mask = _shared(np.stack(group), sensitivity)
            if mask.shape != shape:
                soft = cv2.resize(mask.astype(np.float32), shape[::-1], interpolation=cv2.INTER_LINEAR)
                mask = np.asarray(soft > 0.3)
            masks[shape] = mask
    return masks, {shape: len(group) for shape, group in groups.items() if shape not in masks}


def _counts(*groups: dict[tuple[int, int], Any]) -> str:
    """`3 of 640x480, many of 800x600` for a message."""
    parts = []
    for group in groups:
        for (height, width), value in group.items():
            parts.append(f"{value if isinstance(value, int) else f'{LEAST} or more'} of {width}x{height}")
    return ", ".join(parts)


def _median_gradient(stack: NDArray[np.uint8], axis: int) -> tuple[Floats, Floats]:
    """The median over the photos of the difference to the next pixel, and its standard error; float32 (H, W) each."""
    count, height, width = stack.shape
    middle, error = np.zeros((height, width), np.float32), np.ones((height, width), np.float32)
    for top in range(0, height, BAND):
        rows = stack[:, top : top + BAND + 1].astype(np.float32)
        difference = np.diff(rows, axis=axis)
        if axis == 2:
            difference = difference[:, : min(BAND, height - top)]
        at = np.median(difference, axis=0)
        spread = np.median(np.abs(difference - at), axis=0)
        part = np.s_[top : top + at.shape[0], : at.shape[1]]
        middle[part] = at
        # The standard error of a median of normal values; photos are rounded to whole grey levels.
        error[part] = 1.2533 * 1.4826 * (spread + 0.3) / np.sqrt(count)
    return middle, error


def _integrate(x: Floats, y: Floats) -> Floats:
    """The picture whose differences to the next pixel are nearest to `x` and `y` (least squares), mean 0."""
    height, width = x.shape
    divergence = np.zeros((height, width), np.float64)
    divergence[:, :-1] += x[:, :-1]
    divergence[:, 1:] -= x[:, :-1]
    divergence[:-1] += y[:-1]
    divergence[1:] -= y[:-1]
    # Zero gradient across the border: mirror the picture, and the cosine transform is a Fourier transform.
    mirrored = np.block([[divergence, divergence[:, ::-1]], [divergence[::-1], divergence[::-1, ::-1]]])
    waves_y = 2 - 2 * np.cos(2 * np.pi * np.arange(2 * height) / (2 * height))
    waves_x = 2 - 2 * np.cos(2 * np.pi * np.arange(width + 1) / (2 * width))
    power = waves_y[:, None] + waves_x
    power[0, 0] = 1
    spectrum = np.fft.rfft2(mirrored) / power
    spectrum[0, 0] = 0
    return -np.fft.irfft2(spectrum, mirrored.shape)[:height, :width].astype(np.float32)


def _best_tone(stack: NDArray[np.uint8], needed: float) -> float:
    """The tone of paint that predicts left-out photos uint8 (N, H, W), one channel, best; found at a small size."""
    small = np.stack([shrunk(photo, SMALL)[0] for photo in stack])
    return max(TONES, key=lambda tone: _toned_gradients(small, tone, needed)[1])


def _toned_gradients(stack: NDArray[np.uint8], tone: float, needed: float) -> tuple[list[tuple[Floats, Mask]], float]:
    """The gradients across and down of a mark of one tone, in one channel of the photos.

    Args:
        stack: uint8 (N, H, W).
        tone: of the paint, in grey levels.
        needed: standard errors of a gradient that is sure.

    Returns:
        For each direction the gradient in grey levels float32 (H, W), with the sign that most photos show, and where
        it is sure bool (H, W); and how much better than nothing they predict left-out photos.
    """
    height, width = stack.shape[1:]
    fields = [(np.zeros((height, width), np.float32), np.zeros((height, width), bool)) for _ in range(2)]
    gained, sums, squares = 0.0, 0.0, 0.0
    for top in range(0, height, BAND):
        low, high = max(0, top - REACH), min(height, top + BAND + REACH)
        part = stack[:, low:high].astype(np.float32)
        rows, inner = slice(top, top + BAND), slice(top - low, top - low + BAND)
        across, down = np.diff(part, axis=2, append=part[..., -1:]), np.diff(part, axis=1, append=part[:, -1:])
        variance = np.minimum(across**2 + down**2, ROUGH) / 2
        usual = np.stack([cv2.GaussianBlur(one, (0, 0), SCALE)[inner] for one in variance])
        weight = np.asarray(1 / (usual + QUIET), np.float32)
        ground = np.stack([cv2.GaussianBlur(one, (0, 0), SCALE)[inner] for one in part])
        amount = np.asarray(tone - ground, np.float32)
        sums, squares = sums + float(amount.sum()), squares + float((amount * amount).sum())
        for (field, sure), steps in zip(fields, (across, down), strict=True):
            field[rows], _, sure[rows], gain = mark_gradient(steps[:, inner], weight, amount, needed, LEAST_TOLD)
            gained += float(np.maximum(gain, 0).sum())
    strength = np.float32(np.copysign(np.sqrt(squares / stack.size), sums))
    return [(field * strength, remove_specks(sure, 4)) for field, sure in fields], gained


def _shared(stack: NDArray[np.uint8], sensitivity: float) -> Mask:
    """What the photos uint8 (N, H, W, 3) share, bool (H, W)."""
    needed = 6.0 - 3.0 * sensitivity
    edges = np.zeros(stack.shape[1:3], bool)
    marks = []
    for channel in range(3):
        one = np.ascontiguousarray(stack[..., channel])
        toned, _ = _toned_gradients(one, _best_tone(one, needed), needed)
        fields = []
        for axis, (field, told) in zip((2, 1), toned, strict=True):
            middle, error = _median_gradient(one, axis)
            sure = remove_specks((np.abs(middle) > needed * error) & (np.abs(middle) > 1), 4)
            told &= np.abs(field) > 1
            middle = np.where(told, field, middle)
            sure |= told
            fields.append(np.where(sure, middle, 0).astype(np.float32))
            edges |= sure
        marks.append(_integrate(fields[0], fields[1]))
    return _widened(*_inside(np.stack(marks, axis=2), edges), stack)


def _inside(mark: Floats, edges: Mask) -> tuple[Mask, Mask]:
    """Where the integrated mark float32 (H, W, 3) differs from what is around it, near its edges; bool (H, W).

    First by half of its strength or more, then by as much as a pixel that it covers in part.
    """
    mask, soft = np.zeros(edges.shape, bool), np.zeros(edges.shape, bool)
    reach = max(6, round(0.02 * min(edges.shape)))
    near = cv2.dilate(edges.astype(np.uint8), disc(reach))
    contours, _ = cv2.findContours(near, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for contour in contours:
        x, y, width, height = cv2.boundingRect(contour)
        part = np.s_[y : y + height, x : x + width]
        area = np.zeros((height, width), np.uint8)
        cv2.drawContours(area, [contour], -1, 1, -1, offset=(-x, -y))
        if (edges[part] & (area > 0)).sum() < LEAST_EDGE:
            continue
        rim = (area > 0) & (cv2.erode(area, disc(max(1, reach // 3)), borderValue=0) == 0)
        away = np.linalg.norm(mark[part] - np.median(mark[part][rim], axis=0), axis=2)
        strength = np.percentile(away[edges[part] & (area > 0)], 75)
        mask[part] |= (area > 0) & (away > HALF * strength)
        soft[part] |= (area > 0) & (away > SOFT * strength)
    return mask, soft


def _widened(mask: Mask, soft: Mask, stack: NDArray[np.uint8]) -> Mask:
    """The mask and the rings around it in which the photos uint8 (N, H, W, 3) still show the mark; bool (H, W).

    The residue of a ring one pixel wide is how much its mean colour differs from that of the photos a little further
    out, as the median over the photos: what the photos themselves show there cancels, what the mark left does not.
    Marks apart from each other are widened each by its own. `soft` is bool (H, W), where the mark is at least faint:
    one ring alone is the soft rim of a clean file, of which only these pixels are taken.
    """
    if not mask.any():
        return mask
    away = np.ceil(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)).astype(np.int64)
    _, labels = cv2.connectedComponents((away <= BEYOND).astype(np.uint8), connectivity=8)
    ys, xs = np.nonzero((away > 0) & (away <= BEYOND))
    group, ring = labels[ys, xs], away[ys, xs]
    wide = mask.copy()
    for mark in range(1, int(labels.max()) + 1):
        y, x, rings = (values[group == mark] for values in (ys, xs, ring))
        size = np.maximum(1, np.bincount(rings, minlength=BEYOND + 1))
        sums = [[np.bincount(rings, photo[y, x, c], BEYOND + 1) for c in range(3)] for photo in stack]
        red, green, blue = np.moveaxis((np.array(sums) / size)[..., 1:], 1, 0)  # (N, BEYOND) each
        means = np.stack([(red + green + blue) / 3, red - green, blue - green], axis=1)
        further = (means[..., 2:-2] + means[..., 3:-1] + means[..., 4:]) / 3  # of the rings 2 to 4 pixels further out
        steps = means[..., :RIM] - further
        residue = np.median(steps, axis=0)
        # The standard error of a median of normal values.
        error = 1.2533 * 1.4826 * np.median(np.abs(steps - residue), axis=0) / np.sqrt(len(stack))
        shown = (np.abs(residue) > np.maximum(LEFT, SURE * error)).any(axis=0)
        margin = RIM if shown.all() else max(1, int(np.argmin(shown)))
        wide[y, x] |= (rings <= margin) & (soft[y, x] | (margin > 1))
    return wide
