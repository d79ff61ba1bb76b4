"""Which ``model=`` a weight file belongs to: its names and shapes beside those of every net that there is."""

from collections.abc import Iterator, Mapping

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor

from sr_experiments.nets.base import SRNet
from sr_experiments.nets.weights import compare
from sr_experiments.paths import conf_dir

_SCALES = (2, 3, 4, 8)
_CHANNELS = (3, 1)


def words_for(state: Mapping[str, Tensor], *, scale: int, channels: int) -> str | None:
    """What makes the net of a weight file, as it is typed: ``model=vdsr channels=1``; None: none of ours.

    Args:
        state: Key -> tensor.
        scale: Of super-resolution, as composed; said where the file has another.
        channels: As composed; likewise.
    """
    for choice, net in _nets(scale=scale, channels=channels):
        _, misfit = compare(net, state)
        if misfit.missing or misfit.unexpected:
            continue
        for one in dict.fromkeys((scale, *_SCALES)):
            for count in dict.fromkeys((channels, *_CHANNELS)):
                other = _net(choice, scale=one, channels=count)
                if other is not None and not compare(other, state)[1]:
                    more = [f"scale={one}"] if one != scale else []
                    more += [f"channels={count}"] if count != channels else []
                    return " ".join([f"model={choice}", *more])
    return None


def _nets(*, scale: int, channels: int) -> Iterator[tuple[str, SRNet]]:
    """Those that ``model=`` and ``net=`` call the same; spandrel's tell themselves (`nets.recognise`)."""
    for path in sorted((conf_dir() / "model").glob("*.yaml")):
        net = _net(path.stem, scale=scale, channels=channels)
        if net is not None and net.state_dict():
            yield path.stem, net


def _net(choice: str, *, scale: int, channels: int) -> SRNet | None:
    """One of them without memory for its weights, if it is made of these two numbers alone."""
    path = conf_dir() / "net" / f"{choice}.yaml"
    node = OmegaConf.load(path) if path.is_file() else OmegaConf.create({"defaults": []})
    if "defaults" in node:
        return None
    whole = OmegaConf.create({"scale": scale, "channels": channels, "guide_channels": 0, "net": node})
    try:
        with torch.device("meta"):
            net = instantiate(whole.net)
    except Exception:  # it has no such scale or number of channels, whatever it says to that
        return None
    return net if isinstance(net, SRNet) else None
