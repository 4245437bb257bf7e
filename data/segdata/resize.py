"""How datasets and images are resized. Video frames are shrunk by the same kind of filter (`segdata.video.picture`)."""

import cv2
import numpy as np
import numpy.typing as npt


def resize_frame(frame: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return `frame`, uint8 [H, W, 3], at `height` x `width`, averaged over the area of each new pixel.

    Area averaging does not alias, and equals the antialiased bilinear filter of video scalers closely enough that
    a network trained on one may be fed by the other.
    """
    if frame.shape[:2] == (height, width):
        return frame
    return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def resize_labels(labels: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return `labels`, uint8 [H, W] class ids, at `height` x `width`, by majority vote in each new pixel.

    Nearest-neighbour would drop poles and signs that are thinner than a new pixel by chance; the vote is decided by
    covered area, 255 (ignore) votes like a class, and a tie goes to the lower id.
    """
    if labels.shape == (height, width):
        return labels
    class_ids = np.unique(labels)
    best_share = np.full((height, width), -1.0, dtype=np.float32)
    winner = np.zeros((height, width), dtype=np.uint8)
    for class_id in class_ids:
        mask = (labels == class_id).astype(np.float32)
        share = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
        better = share > best_share
        winner[better] = class_id
        best_share[better] = share[better]
    return winner


def enlarge_labels(labels: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return a network's `labels`, uint8 [h, w], for a frame of `height` x `width`: each pixel has the nearest class.

    No class lies between two others, so nothing is averaged.
    """
    enlarged = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(enlarged, dtype=np.uint8)
