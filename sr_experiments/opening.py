"""Which net a run, a checkpoint, a weight file or an ONNX file holds, and the device it works on."""

from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from sr_experiments.devices import one_of, refuse_absent_devices
from sr_experiments.models.onnx_net import OnnxNet
from sr_experiments.nets.base import SRNet
from sr_experiments.rebuild import identify, open_checkpoint, rebuild


def open_net(
    config: DictConfig, source: str | None, *, scale: int | None
) -> tuple[SRNet, str, list[float] | None]:
    """The net, its name, and the range of values that it was trained on; None: of no measured values.

    Args:
        config: As composed: its net is that of a plain weight file.
        source: A run's folder, a ``.ckpt``, a plain weight file, an ``.onnx`` file; None for a net without
            weights.
        scale: Of super-resolution; None for the run's or the file's own, or else the config's.

    Raises:
        ValueError: If the weights do not fit the net, or are missing.
        OSError: If there is no such file.
    """
    if source is not None and Path(source).suffix.lower() == ".onnx":
        path = Path(source).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"checkpoint={source}: there is no such file")
        net = OnnxNet(path)
        if scale is not None and scale != net.scale:
            raise ValueError(f"scale={scale}: {source} enlarges by {net.scale}")
        return net, net.name, _range_of(config) or net.range
    weights = identify(config, open_checkpoint(source)) if source is not None else None
    saved = weights.known if weights is not None else None
    wanted = scale or (saved.scale if saved is not None else config.scale)
    # A plain file does not say how many channels it has.
    channels = [saved.channels] if saved is not None else list(dict.fromkeys([config.channels, 3, 1]))
    rebuilt, at = rebuild(config, weights, scale=wanted, channels=channels)
    run = weights.config if weights is not None else None
    span = (_range_of(config) or _range_of(saved)) if run is None else _range_of(run)
    return rebuilt, str(at.name), span


def _range_of(config: DictConfig | None) -> list[float] | None:
    """What black and white stood for in a run, stand for in a file, or are said to stand for beside one."""
    if config is None:
        return None
    span = OmegaConf.select(config, "data.range")
    return None if span is None else [float(end) for end in span]


def device_of(config: DictConfig) -> torch.device:
    """The one device that ``trainer=`` names; ``auto``: a GPU where there is one.

    Raises:
        ValueError: If it is not there, or several are asked for.
    """
    refuse_absent_devices(config)
    number = one_of(config.trainer.devices)
    kind = config.trainer.accelerator
    if kind == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda", number[0] if isinstance(number, list) else 0)
    return torch.device("mps") if torch.backends.mps.is_available() else torch.device("cpu")
