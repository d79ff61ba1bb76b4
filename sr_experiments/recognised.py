"""``model=recognised``: the net is whatever a plain weight file turns out to be.

What a file of ``task=export`` says of itself comes first, then what its tensors tell (`nets/recognise.py`).
"""

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from safetensors import safe_open
from torch import Tensor

from sr_experiments import nets
from sr_experiments.imaging.span import Span
from sr_experiments.lineup import words_for
from sr_experiments.nets.base import SRNet
from sr_experiments.nets.recognise import NotRecognised, OfAFile, recognise

MODEL = "recognised"  # the choice in conf/model, and the name of a net until it has its own


def is_of_a_file(config: DictConfig) -> bool:
    """Whether a composed config leaves the net to a file."""
    return bool(config.net.get("_target_") == f"{OfAFile.__module__}.{OfAFile.__name__}")


def describe(
    config: DictConfig, path: Path, state: Mapping[str, Tensor]
) -> tuple[DictConfig, dict[str, Tensor]]:
    """What a plain weight file is: its name, scale, channels and net; and its weights, as that net has them.

    Args:
        config: As composed. Its net may ask for a scale or a number of channels.
        path: The file.
        state: Its tensors.

    Raises:
        ValueError: if it is not recognised, or is another net than was asked for.
    """
    own = _stated(path)
    weights = dict(state)
    if own is None:
        try:
            found = recognise(state)
        except NotRecognised as error:
            words = words_for(state, scale=config.scale, channels=config.channels)
            if words is not None:
                raise ValueError(
                    f"{path}: these are the weights of {words}; give that beside it, the file does not tell"
                ) from error
            raise ValueError(
                f"{path}: is not recognised: {error}. Say which net it is by model=, if it is one of those "
                "that --help lists"
            ) from error
        weights = found.state
        own = OmegaConf.create({"scale": found.scale, "channels": found.channels, "net": found.node})
    own.name = _name(path) if config.name == MODEL else config.name
    for key, asked, has in (
        ("scale", config.net.get("scale"), own.scale),
        ("channels", config.net.get("in_channels"), own.channels),
    ):
        if asked is not None and asked != has:
            raise ValueError(
                f"{key}={asked}: {path} is a net with {key}={has}. Leave {key}= away; or give model= and "
                "init_from=, which takes over what fits"
            )
    return own, weights


def hint(path: Path, state: Mapping[str, Tensor], *, net: DictConfig) -> str:
    """A sentence for the message about weights that do not fit `net`; empty where there is none."""
    try:
        own = _stated(path)
        found = recognise(state) if own is None else None
    except ValueError:  # of no net that is published; perhaps of one that is made here
        words = words_for(state, scale=net.get("scale", 4), channels=net.get("in_channels", 3))
        return f"\n  These are the weights of {words}" if words else ""
    if own is not None:
        told, node = f"{own.net._target_.rpartition('.')[2]} x{own.scale}", own.net
    else:
        assert found is not None
        told, node = str(found), OmegaConf.create(found.node)
    return "" if node == net else f"\n  The file is recognised as {told}: model=recognised takes that net."


def _stated(path: Path) -> DictConfig | None:
    """What a file of ``task=export`` says of its net; None for a file that says nothing."""
    if path.suffix != ".safetensors":
        return None
    with safe_open(path, framework="pt") as opened:
        text = (opened.metadata() or {}).get("config")
    if text is None:
        return None
    try:
        stated = OmegaConf.create(text)
        known = OmegaConf.create({key: stated[key] for key in ("name", "scale", "channels", "net")})
        node = OmegaConf.to_container(known.net)
        span = OmegaConf.select(stated, "data.range")
        if span is not None:
            holes = bool(OmegaConf.select(stated, "data.holes"))
            known.data = {"range": Span.of(span, option="data.range").as_list(), "holes": holes}
    except Exception:  # somebody else's metadata under the same key: whatever YAML and OmegaConf make of it
        return None
    refuse_strange_code(path, node)
    return known


def _name(path: Path) -> str:
    """A file's name as a net's: in tables, and in names of files."""
    return re.sub(r"[^\w.+-]+", "-", path.stem).strip("-.") or MODEL


def refuse_strange_code(path: Path, node: Any, *, root: bool = True) -> None:
    """A net is built from the config inside a file, which whoever made the file has written.

    Without this a file whose tensors are safe to open could name any function of the machine, also one that a
    module of ours has imported.

    Raises:
        ValueError: if anything but nets of ours would be built.
    """
    if isinstance(node, dict):
        target = node.get("_target_")
        if (target is not None or root) and not _is_our_net(str(target)):
            raise ValueError(
                f"{path}: its config builds {target}, and only a net of sr_experiments.nets is built from a "
                "file. If you trust it, save the state_dict of its net as a plain weight file, and give "
                "model= beside it"
            )
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        refuse_strange_code(path, value, root=False)


def _is_our_net(target: str) -> bool:
    if not target.startswith(f"{nets.__name__}."):
        return False
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return False  # such as a class inside what a module of ours imports
    return isinstance(found, type) and issubclass(found, SRNet)
