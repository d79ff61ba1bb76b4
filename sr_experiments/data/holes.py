"""Measured values, and pixels where nothing was measured: their level is 0, as in KITTI's disparity maps.

Such a pixel gets the level of the nearest one that was measured, so that `lq` is not made of zeros, and a
mask goes with the image, by which the loss and the metrics leave it out.
"""

import numpy as np
from scipy import ndimage


def measured(image: np.ndarray) -> np.ndarray:
    """(H, W, C) integers to (H, W, 1) uint8: 255 where any channel is above 0."""
    mask: np.ndarray = (image.max(axis=2, keepdims=True) > 0).astype(np.uint8) * np.uint8(255)
    return mask


def filled(image: np.ndarray, *, name: str) -> np.ndarray:
    """Give each pixel that was not measured the channels of the nearest one that was (Euclidean distance).

    Args:
        image: (H, W, C) integers.
        name: For the message.

    Raises:
        ValueError: If nothing was measured.
    """
    holes = measured(image)[:, :, 0] == 0
    if holes.all():
        raise ValueError(f"{name}: all levels are 0, so nothing was measured (data.holes=true)")
    if not holes.any():
        return image
    rows, columns = ndimage.distance_transform_edt(holes, return_distances=False, return_indices=True)
    return np.ascontiguousarray(image[rows, columns])
