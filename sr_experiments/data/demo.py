"""Photographs that came with scikit-image's wheel: real images without a download.

Only those whose documentation in scikit-image states that they are free: CC0, public domain, or without known
copyright restrictions. The files are found beside the package, not through its loaders, which download what
is missing.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from sr_experiments.data.sources import Item, Source

PHOTOGRAPHS = {
    # colour
    "astronaut": "astronaut.png",  # 512x512, public domain (NASA)
    "chelsea": "chelsea.png",  # 451x300, CC0 (Stefan van der Walt)
    "coffee": "coffee.png",  # 600x400, CC0 (Rachel Michetti)
    "hubble_deep_field": "hubble_deep_field.jpg",  # 1000x872, public domain (NASA)
    "immunohistochemistry": "ihc.png",  # 512x512, no known restrictions (CMMI)
    "retina": "retina.jpg",  # 1411x1411, CC0 (Mikael Haggstrom)
    "rocket": "rocket.jpg",  # 640x427, public domain (SpaceX)
    # grey
    "brick": "brick.png",  # 512x512, CC0
    "coins": "coins.png",  # 384x303, no known restrictions (Brooklyn Museum)
    "camera": "camera.png",  # 512x512, CC0 (Lav Varshney)
    "grass": "grass.png",  # 512x512, CC0
    "gravel": "gravel.png",  # 512x512, CC0
}


class Demo(Source):
    """Some of the photographs, by name.

    Args:
        names: Keys of `PHOTOGRAPHS`.

    Raises:
        ValueError: If there is no such photograph, or none is named.
    """

    def __init__(self, *, names: Sequence[str]) -> None:
        """Check the names."""
        unknown = [name for name in names if name not in PHOTOGRAPHS]
        if unknown or not names:
            given = ", ".join(unknown) or "none"
            raise ValueError(f"demo photographs: {given} given, but there are {', '.join(PHOTOGRAPHS)}")
        self.names = list(names)

    def items(self) -> list[Item]:
        """The files inside the installed package."""
        folder = package_folder()
        items = [Item(name=name, gt=folder / PHOTOGRAPHS[name]) for name in self.names]
        missing = [str(item.gt) for item in items if not item.gt.is_file()]
        if missing:
            raise ValueError(
                f"demo photographs are missing: {', '.join(missing)}; reinstall scikit-image (0.25 or later) "
                "or train on images of your own: data=folder data.root=FOLDER"
            )
        return items


def package_folder() -> Path:
    """Where scikit-image has its images.

    Raises:
        ValueError: If it is not installed.
    """
    spec = importlib.util.find_spec("skimage")  # without importing it
    if spec is None or spec.origin is None:
        raise ValueError(
            "the demo photographs come with scikit-image, which is not installed: pip install scikit-image, "
            "or train on images of your own: data=folder data.root=FOLDER"
        )
    return Path(spec.origin).parent / "data"
