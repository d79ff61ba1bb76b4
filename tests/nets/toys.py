"""Every conf/net as an object, in its own size or small enough for a test."""

import importlib
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sr_experiments.nets.base import SRNet
from tests.conftest import ROOT

FOLDER = ROOT / "conf" / "net"

# Overrides that make a network small. An entry for every network that is slow in its published size.
TOYS: dict[str, dict[str, Any]] = {
    "srcnn": {"features": [8, 4]},
    "srcnn_915": {"features": [8, 4]},
    "vdsr": {"features": 8, "depth": 3},
    "edsr_baseline": {"features": 8, "blocks": 2},
    "edsr": {"features": 8, "blocks": 2},
    "rcan": {"features": 16, "groups": 1, "blocks": 2, "reduction": 2},
    "srresnet": {"features": 8, "blocks": 2},
    "msrresnet": {"features": 8, "blocks": 2},
    "rrdbnet": {"features": 8, "blocks": 1, "growth": 4},
    "autoencoder": {"features": [8, 4]},
    "rednet": {"features": 8, "depth": 3},
    "unet": {"features": [4, 8, 12]},
    "srvgg": {"features": 8, "convolutions": 2},
    "guided": {"features": 8},
    "spandrel/atd": {
        "embed_dim": 12,
        "depths": [2],
        "num_heads": [2],
        "window_size": 8,
        "category_size": 32,
        "num_tokens": 8,
        "reducted_dim": 4,
    },
    "spandrel/craft": {"embed_dim": 96, "depths": [1], "num_heads": [2]},
    "spandrel/dat": {
        "embed_dim": 64,
        "split_size": [8, 16],
        "depth": [2],
        "num_heads": [2],
        "drop_path_rate": 0.0,
    },
    "spandrel/dctlsa": {"nf": 10},
    "spandrel/ditn": {"dim": 12, "ITL_blocks": 1, "SAL_blocks": 1},
    "spandrel/drct": {
        "embed_dim": 12,
        "depths": [1],
        "num_heads": [2],
        "window_size": 8,
        "gc": 8,
        "drop_path_rate": 0.0,
    },
    "spandrel/fdat": {
        "embed_dim": 32,
        "num_groups": 1,
        "depth_per_group": 1,
        "num_heads": 2,
        "drop_path_rate": 0.0,
    },
    "spandrel/grl": {
        "embed_dim": 16,
        "depths": [2],
        "num_heads_window": [2],
        "num_heads_stripe": [2],
        "window_size": 8,
        "stripe_size": [16, 16],
        "drop_path_rate": 0.0,
    },
    "spandrel/hat": {
        "embed_dim": 12,
        "depths": [2],
        "num_heads": [2],
        "window_size": 8,
        "squeeze_factor": 6,
        "drop_path_rate": 0.0,
    },
    "spandrel/moesr": {"dim": 16, "n_blocks": 1, "n_block": 2},
    "spandrel/mosr": {"dim": 16, "n_block": 2},
    "spandrel/omnisr": {"num_feat": 16, "res_num": 1},
    "spandrel/plksr": {"dim": 16, "n_blocks": 2},
    "spandrel/realplksr": {"dim": 16, "n_blocks": 2},
    "spandrel/rgt": {
        "embed_dim": 64,
        "split_size": [8, 8],
        "depth": [2],
        "num_heads": [2],
        "drop_path_rate": 0.0,
    },
    "spandrel/safmn": {"dim": 16, "n_blocks": 2},
    "spandrel/seemore": {"embedding_dim": 16, "num_layers": 1, "num_experts": 2, "topk": 2},
    "spandrel/span": {"feature_channels": 8},
    "spandrel/swiftsrgan": {"num_channels": 8, "num_blocks": 2},
    "spandrel/swin2sr": {"embed_dim": 12, "depths": [2], "num_heads": [2], "drop_path_rate": 0.0},
    "spandrel/swinir": {
        "img_size": 16,
        "embed_dim": 12,
        "depths": [2],
        "num_heads": [2],
        "drop_path_rate": 0.0,
    },
    "spandrel/swinir_light": {
        "img_size": 16,
        "embed_dim": 12,
        "depths": [2],
        "num_heads": [2],
        "drop_path_rate": 0.0,
    },
}

# What the published design does not have; everything else has scales 2, 3, 4, 8 and any number of channels.
SCALES: dict[str, tuple[int, ...]] = {
    "rrdbnet": (1, 2, 3, 4, 8),
    "spandrel/fdat": (2, 3, 4),
    "spandrel/realcugan": (2, 3, 4),
    "spandrel/swiftsrgan": (2, 4, 8),
}
RGB_ONLY = {f"spandrel/{name}" for name in ("ditn", "plksr", "realplksr", "safmn", "seemore", "span")}


def net_names() -> list[str]:
    """Every network that has a config, as one names it on the command line."""
    paths = sorted(FOLDER.rglob("*.yaml"))
    return [path.relative_to(FOLDER).with_suffix("").as_posix() for path in paths]


def compose_net(name: str, *, scale: int, channels: int = 3) -> dict[str, Any]:
    """A config with the root's values put in."""
    root = OmegaConf.create(
        {"scale": scale, "channels": channels, "guide_channels": 0, "seed": 0, "net": _read(name)}
    )
    plain = OmegaConf.to_container(root, resolve=True)
    assert isinstance(plain, dict)
    found: dict[str, Any] = plain["net"]
    return found


def _read(name: str) -> DictConfig:
    """A file of conf/net, with the nets that its defaults put inside."""
    config = OmegaConf.load(FOLDER / f"{name}.yaml")
    assert isinstance(config, DictConfig)
    for entry in config.pop("defaults", []):
        for place, choice in entry.items():
            config[place.removeprefix("/net@")] = _read(choice)
    return config


def build_net(name: str, *, scale: int, channels: int = 3, toy: bool = False, **overrides: Any) -> SRNet:
    """A network of conf/net."""
    config = compose_net(name, scale=scale, channels=channels)
    changes = {**(TOYS.get(name, {}) if toy else {}), **overrides}
    if "options" in config:
        config["options"] = {**config["options"], **changes}
    else:
        config.update(changes)
    return _made(config)


def _made(config: dict[str, Any]) -> SRNet:
    module, _, attribute = config.pop("_target_").rpartition(".")
    inside = {key: _made(value) for key, value in config.items() if key == "inner"}
    net = getattr(importlib.import_module(module), attribute)(**config | inside)
    assert isinstance(net, SRNet)
    return net


def has_scale(name: str, scale: int) -> bool:
    """Whether a network is defined for a scale."""
    return scale in SCALES.get(name, (2, 3, 4, 8))
