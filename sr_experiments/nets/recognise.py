"""Which net a state dict belongs to: its class and arguments, told from key names and shapes.

EDSR, RCAN, MSRResNet, RRDBNet and SRVGG are told here, under every name that they are published by; all
others by spandrel (`recognise_spandrel.py`), where it is installed. What no tensor tells (EDSR's factor of
the residuals, GRL's windows) is taken as published.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from sr_experiments.nets.blocks import MeanShift

State = Mapping[str, Tensor]


class NotRecognised(ValueError):
    """A state dict of no net that is known, or of one that can not be used here."""


@dataclass(frozen=True)
class Recognised:
    """A net, as its weights tell it.

    Attributes:
        architecture: What it is called.
        target: The class of the net.
        arguments: Of the class, `scale` and `in_channels` among them.
        state: The weights, as that class takes them (or as it translates them: see `nets.foreign`).
    """

    architecture: str
    target: str
    arguments: dict[str, Any]
    state: dict[str, Tensor] = field(repr=False)

    @property
    def scale(self) -> int:
        """Of super-resolution."""
        return int(self.arguments["scale"])

    @property
    def channels(self) -> int:
        """In and out."""
        return int(self.arguments["in_channels"])

    @property
    def node(self) -> dict[str, Any]:
        """The net as a config describes it."""
        return {"_target_": self.target, **self.arguments}

    def __str__(self) -> str:
        """In words."""
        plural = "channel" if self.channels == 1 else "channels"
        return f"{self.architecture} x{self.scale} of {self.channels} {plural}"


class OfAFile:
    """Stands in a config for the net that a weight file turns out to be; it is put there before building."""

    def __init__(self, *, scale: int | None = None, in_channels: int | None = None) -> None:
        """Refuse to be built.

        Args:
            scale: What the file's net must have; None: whatever it has.
            in_channels: Likewise.

        Raises:
            ValueError: always; nothing was given that it could be taken from.
        """
        raise ValueError(
            "model=recognised takes the net from a file, and none was given: checkpoint=FILE, or for "
            "training init_from=FILE"
        )


def recognise(state: State) -> Recognised:
    """Tell the net of a state dict.

    Args:
        state: Key -> tensor, as `weights.read_state_dict` returns it.

    Raises:
        NotRecognised: if it is nobody's, or a net that does not enlarge images or has other channels out than
            in; or spandrel, which may know it, is not installed.
    """
    for rule in (_srvgg, _rrdbnet, _rcan, _edsr, _msrresnet):
        if (found := rule(state)) is not None:
            return found
    from sr_experiments.nets.recognise_spandrel import by_spandrel

    return by_spandrel(state)


def check_ends(architecture: str, *, channels: int, out: int, scale: float) -> None:
    """Refuse what is not super-resolution of images as they came.

    Raises:
        NotRecognised: naming what the net does instead.
    """
    if channels != out:
        raise NotRecognised(
            f"{architecture} that makes {out} channels of {channels}, and a net here has as many out as in"
        )
    if scale <= 1:
        raise NotRecognised(
            f"{architecture} that keeps the size of the image (it restores and does not enlarge); only nets "
            "that enlarge have a place here"
        )


def _srvgg(state: State) -> Recognised | None:
    if not all(re.fullmatch(r"body\.\d+\.(weight|bias)", key) for key in state):
        return None
    first, slopes = state.get("body.0.weight"), state.get("body.1.weight")
    last = max((int(key.split(".")[1]) for key in state), default=0)
    end = state.get(f"body.{last}.weight")
    if first is None or end is None or first.dim() != 4 or end.dim() != 4 or last < 2 or last % 2:
        return None
    if slopes is None or slopes.dim() != 1:
        return None
    channels = first.shape[1]
    scale = math.isqrt(end.shape[0] // channels)
    if channels * scale**2 != end.shape[0]:
        raise NotRecognised(f"SRVGG (RealESRGAN Compact) that makes other channels than its {channels}")
    check_ends("SRVGG (RealESRGAN Compact)", channels=channels, out=channels, scale=scale)
    sizes = {"features": first.shape[0], "convolutions": last // 2 - 1, "activation": "prelu"}
    return _ours("SRVGG", "srvgg.SRVGG", state, scale, channels, **sizes)


def _rrdbnet(state: State) -> Recognised | None:
    names = r"(body|RRDB_trunk|model\.1\.sub)\.(\d+)\.(?i:rdb)1\.conv1(\.0)?\.weight"
    found = [match for match in (re.fullmatch(names, key) for key in state) if match]
    if not found:
        return None
    if any(".conv1x1" in key for key in state):
        raise NotRecognised("ESRGAN+, whose dense blocks have 1x1 convolutions that RRDBNet has not")
    numbered = [int(m[1]) for m in (re.fullmatch(r"model\.(\d+)\.weight", key) for key in state) if m]
    old = found[0][1] == "model.1.sub"
    head, tail = ("model.0", f"model.{max(numbered)}") if old else ("conv_first", "conv_last")
    doublings = (
        (max(numbered) - 4) // 3 if old else _count(state, r"(?:upconv|conv_up)(\d+)\.weight", start=1)
    )
    first, last = state[f"{head}.weight"], state[f"{tail}.weight"]
    channels = last.shape[0]
    unshuffle = math.isqrt(first.shape[1] // channels)
    seen = first.shape[1] // unshuffle**2 if unshuffle else first.shape[1]
    scale = 2**doublings / max(unshuffle, 1)
    check_ends("RRDBNet (ESRGAN)", channels=seen, out=channels, scale=scale)
    usual = {1: 4, 2: 2}.get(int(scale), 1)
    sizes = {
        "features": first.shape[0],
        "blocks": 1 + max(int(match[2]) for match in found),
        "growth": state[found[0][0]].shape[0],
        "unshuffle": None if unshuffle == usual else unshuffle,
    }
    return _ours("RRDBNet (ESRGAN)", "rrdbnet.RRDBNet", state, int(scale), channels, **sizes)


def _rcan(state: State) -> Recognised | None:
    official = "body.0.body.0.body.3.conv_du.0.weight"
    basicsr = "body.0.residual_group.0.rcab.3.attention.1.weight"
    squeeze = state.get(official, state.get(basicsr))
    if squeeze is None:
        return None
    if "head.1.weight" in state:
        raise NotRecognised("RCAN with unshuffled pixels at its input, which RCAN here has not")
    block = r"body\.0\.body\.(\d+)\.body\.0" if official in state else r"body\.0\.residual_group\.(\d+)\..*"
    group = r"body\.(\d+)\.body\.0\..*" if official in state else r"body\.(\d+)\.residual_group\..*"
    sizes = {
        "groups": _count(state, group),
        "blocks": _count(state, block + (r"\.weight" if official in state else "")),
        "reduction": squeeze.shape[1] // squeeze.shape[0],
    }
    return _head_body_tail("RCAN", "rcan.RCAN", state, basicsr=official not in state, **sizes)


def _edsr(state: State) -> Recognised | None:
    official = {"head.0.weight", "body.0.body.2.weight", "tail.0.0.weight", "tail.1.weight"}
    basicsr = {"conv_first.weight", "body.0.conv2.weight", "conv_after_body.weight", "upsample.0.weight"}
    if not (official <= state.keys() or basicsr <= state.keys()) or "body.0.body.1.weight" in state:
        return None
    block = r"body\.(\d+)\.(?:body\.2|conv2)\.weight"
    features = state["head.0.weight" if "head.0.weight" in state else "conv_first.weight"].shape[0]
    sizes = {"blocks": _count(state, block), "res_scale": 0.1 if features >= 256 else 1.0}
    return _head_body_tail("EDSR", "edsr.EDSR", state, basicsr=not official <= state.keys(), **sizes)


def _head_body_tail(
    architecture: str, target: str, state: State, *, basicsr: bool, **sizes: Any
) -> Recognised:
    """What EDSR and RCAN have in common."""
    head, enlarging, tail = (
        ("conv_first", "upsample", "conv_last") if basicsr else ("head.0", "tail.0", "tail.1")
    )
    first = state[f"{head}.weight"]
    features, channels = first.shape[:2]
    scale = _enlarged(state, rf"{re.escape(enlarging)}\.\d+\.weight")
    check_ends(architecture, channels=channels, out=state[f"{tail}.weight"].shape[0], scale=scale)
    arguments = {"features": features, **sizes, "value_range": 255.0, "mean": None}
    weights = dict(state)
    if not basicsr and "sub_mean.weight" not in state:  # trained on [0, 1] as it is: no shift, no range
        arguments |= {"value_range": 1.0, "mean": [0.0] * channels}
        none = MeanShift([0.0] * channels).state_dict()
        weights |= {f"{side}_mean.{key}": none[key].clone() for side in ("sub", "add") for key in none}
    return _ours(architecture, target, weights, scale, channels, **arguments)


def _msrresnet(state: State) -> Recognised | None:
    wanted = {"conv_first.weight", "upconv1.weight", "conv_last.weight"}
    blocks = _count(state, r"(?:body|recon_trunk)\.(\d+)\.conv1\.weight")
    if not wanted <= state.keys() or not blocks:
        return None
    first = state["conv_first.weight"]
    scale = _enlarged(state, r"upconv\d+\.weight")
    out = state["conv_last.weight"].shape[0]
    check_ends("MSRResNet", channels=first.shape[1], out=out, scale=scale)
    return _ours(
        "MSRResNet", "msrresnet.MSRResNet", state, scale, out, features=first.shape[0], blocks=blocks
    )


def _ours(
    architecture: str, target: str, state: State, scale: int, channels: int, **sizes: Any
) -> Recognised:
    arguments = {"scale": scale, "in_channels": channels, **sizes}
    return Recognised(architecture, f"sr_experiments.nets.{target}", arguments, dict(state))


def _count(state: Iterable[str], pattern: str, *, start: int = 0) -> int:
    """How many parts a numbered list has, by the highest number in the keys."""
    numbers = [int(match[1]) for match in (re.fullmatch(pattern, key) for key in state) if match]
    return max(numbers) + 1 - start if numbers else 0


def _enlarged(state: State, pattern: str) -> int:
    """The scale of an enlargement by convolutions, each before a pixel shuffle."""
    shapes = [tensor.shape for key, tensor in state.items() if re.fullmatch(pattern, key)]
    return math.prod(math.isqrt(shape[0] // shape[1]) for shape in shapes)
