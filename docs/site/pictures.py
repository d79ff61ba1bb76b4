"""The README's pictures, by the commands that stand beside them: ``python docs/site/pictures.py [NAME ...]``.

Each command runs as it is typed, and its picture becomes docs/NAME as a JPEG. Tests hold those in docs/ to
what the commands make now.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).resolve().parent.parent
# Picture -> what is typed behind `python -m sr_experiments`, and the picture in the run's folder.
PICTURES = {
    "demo.jpg": ("", "images/demo-chelsea.png"),
    "samples.jpg": (
        "task=degrade degradation=real_esrgan task.first=6 samples=3 data.patch_size=128",
        "samples.png",
    ),
}


def make(name: str, folder: Path) -> Path:
    """The picture as the command makes it now, a PNG below `folder`.

    Raises:
        subprocess.CalledProcessError: If the command fails.
    """
    typed, picture = PICTURES[name]
    command = [sys.executable, "-m", "sr_experiments", *typed.split(), f"hydra.run.dir={folder / name}"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / name / picture


def main() -> None:
    """Make them anew."""
    parser = argparse.ArgumentParser(description="The README's pictures.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{' or '.join(PICTURES)}; all of them")
    names = parser.parse_args().names or list(PICTURES)
    if unknown := set(names) - set(PICTURES):
        parser.error(f"{', '.join(sorted(unknown))}: no such picture; choose of {', '.join(PICTURES)}")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            Image.open(make(name, Path(folder))).convert("RGB").save(DOCS / name, quality=90, optimize=True)
        print(DOCS / name)


if __name__ == "__main__":
    main()
