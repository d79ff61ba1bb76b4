"""No degradation waits for the device. Here it has shapes and no values: torch refuses who asks for one."""

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from hydra.utils import instantiate

from sr_experiments.degradations.base import Degradation
from sr_experiments.degradations.noise import SaltAndPepper
from sr_experiments.degradations.webp import WebP
from sr_experiments.imaging.random import Draw
from tests.models.test_hot_loop import META, Copies, Made
from tests.test_conf import composed


def made(name: str) -> Degradation:
    """A preset, or a part that no preset has."""
    if name == "webp":
        return WebP(quality=[30, 90])
    if name == "salt and pepper":
        return SaltAndPepper(share=[0.0, 0.1])
    found: Degradation = instantiate(composed(f"degradation={name}", "scale=4").degradation)
    return found


PRESETS = ["bicubic", "blur_downscale", "classical", "bsrgan", "real_esrgan", "camera", "video"]


@pytest.mark.parametrize("name", [*PRESETS, "webp", "salt and pepper"])
def test_what_is_drawn_is_brought_over_without_waiting(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The incident: 20 plain copies a batch, and Poisson noise that counted its levels on the device."""
    # A generator is the device's own, and this one has none; nor has it autocast.
    monkeypatch.setattr(Draw, "generators", lambda self, name, device: iter([None] * len(self.positions)))
    monkeypatch.setattr(torch, "autocast", lambda *kind, enabled: nullcontext())
    degradation: Any = made(name)
    with Copies() as copies, Made(copies.found):
        lq = degradation(torch.rand(16, 3, 32, 32, device=META), seed=0, positions=torch.arange(16))
    assert copies.found == []
    assert lq.device == META
