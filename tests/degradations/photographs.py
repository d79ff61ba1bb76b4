"""Crops of the demo photographs, and files that Pillow writes of them."""

import io

import numpy as np
from PIL import Image

from sr_experiments.data.demo import Demo
from sr_experiments.imaging.io import read_image

PHOTOGRAPHS = ["chelsea", "coffee", "astronaut", "immunohistochemistry", "camera", "rocket"]


def photograph(name: str, height: int = 128, width: int = 128) -> np.ndarray:
    (item,) = Demo(names=[name]).items()
    return read_image(item.gt)[40 : 40 + height, 100 : 100 + width]


def webp_file(image: np.ndarray, quality: int, method: int = 4) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image.squeeze()).save(stream, "WEBP", quality=quality, method=method)
    return stream.getvalue()
