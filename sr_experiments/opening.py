"""Which net a run, a checkpoint, a weight file or an ONNX file holds, and what levels mean to it."""

from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig, OmegaConf

from sr_experiments.models.onnx_net import OnnxNet
from sr_experiments.nearest import nearest_path
from sr_experiments.nets.base import SRNet
from sr_experiments.rebuild import identify, open_checkpoint, rebuild


class Values(NamedTuple):
    """What the levels of images mean to a net.

    Attributes:
        range: [low, high] that black and white stand for (`data.range`); None: they are no measured values.
        holes: Whether a level of 0 is a pixel that was not measured (`data.holes`).
    """

    range: list[float] | None
    holes: bool


def open_net(config: DictConfig, source: str | None, *, scale: int | None) -> tuple[SRNet, str, Values]:
    """The net, its name, and what levels mean to it.

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
            raise FileNotFoundError(
                f"checkpoint={source}: there is no such file{nearest_path(path, fits=Path.is_file)}"
            )
        net = OnnxNet(path)
        if scale is not None and scale != net.scale:
            raise ValueError(f"scale={scale}: {source} enlarges by {net.scale}")
        return net, net.name, _first(values_of(config), Values(net.range, net.holes))
    weights = identify(config, open_checkpoint(source)) if source is not None else None
    saved = weights.known if weights is not None else None
    wanted = scale or (saved.scale if saved is not None else config.scale)
    # A plain file does not say how many channels it has.
    channels = [saved.channels] if saved is not None else list(dict.fromkeys([config.channels, 3, 1]))
    rebuilt, at = rebuild(config, weights, scale=wanted, channels=channels)
    run = weights.config if weights is not None else None
    values = _first(values_of(config), values_of(saved)) if run is None else values_of(run)
    return rebuilt, str(at.name), values


def values_of(config: DictConfig | None) -> Values:
    """What levels meant in a run, mean in a file, or are said to mean beside one."""
    if config is None:
        return Values(None, False)
    span = OmegaConf.select(config, "data.range")
    holes = bool(OmegaConf.select(config, "data.holes"))
    return Values(None if span is None else [float(end) for end in span], holes)


def _first(said: Values, otherwise: Values) -> Values:
    """What is said, and what is not said as it is otherwise."""
    return Values(said.range or otherwise.range, said.holes or otherwise.holes)
