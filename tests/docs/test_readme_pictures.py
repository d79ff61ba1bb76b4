"""The README's pictures are those that its commands make; the demo's is held in tests/test_demo.py."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.docs.scripts import script
from tests.typed import typed_line

pictures = script("pictures")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def apart(name: str, made: Path) -> float:
    """The mean difference, of 255, between docs/<name> and a picture; beyond JPEG's it is another picture."""
    shown, now = (np.asarray(Image.open(path).convert("RGB"), float) for path in (ROOT / "docs" / name, made))
    assert shown.shape == now.shape, f"python docs/site/pictures.py {name}"
    return float(np.abs(shown - now).mean())


@pytest.mark.parametrize("name", list(pictures.PICTURES))
def test_each_stands_in_the_readme_beside_its_command(name: str) -> None:
    assert f"](docs/{name})" in README
    for word in pictures.PICTURES[name][0].split():
        assert word in README


def test_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was once left as it was, when samples began to be mirrored by other draws."""
    monkeypatch.chdir(tmp_path)
    typed, picture = pictures.PICTURES["samples.jpg"]
    assert typed_line(monkeypatch, f"{typed} run=samples") == 0
    assert apart("samples.jpg", tmp_path / "samples" / picture) < 3, (
        "python docs/site/pictures.py samples.jpg"
    )
