"""The words on the command line that make a net again."""

import re
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sr_experiments.paths import conf_dir

_SHARED = ("scale", "channels", "guide_channels", "seed")  # of the root, which files of conf/net look up


def words_for(at: DictConfig, *, checkpoint: str) -> list[str]:
    """The arguments that make a net again on the command line: the nearest ``model=``, and what differs.

    Args:
        at: Its config.
        checkpoint: Its weights.
    """
    nearest = _words_for_net(at, OmegaConf.to_container(at.net, resolve=True))
    words = [f"checkpoint={_as_hydra_reads(checkpoint)}", *nearest, f"scale={at.scale}"]
    words += [] if at.channels == 3 else [f"channels={at.channels}"]
    return [*words, *([f"guide_channels={at.guide_channels}"] if at.get("guide_channels") else [])]


def _words_for_net(at: DictConfig, net: Any, *, choose: str = "model", place: str = "net") -> list[str]:
    """The nearest choice and what differs; for a net about another one, the other's as well."""
    inner = net.pop("inner", None)
    wanted = dict(leaves(net))
    found: list[list[str]] = []
    folder = conf_dir() / "net"
    for path in sorted(folder.rglob("*.yaml")):
        node = OmegaConf.create({"guide_channels": 0, **{key: at[key] for key in at if key in _SHARED}})
        node.net = OmegaConf.load(path)  # whose interpolations look here
        node.net.pop("defaults", None)  # the net inside
        given = dict(leaves(OmegaConf.to_container(node.net, resolve=True)))
        if given.get("_target_") != wanted["_target_"]:
            continue
        changes = [
            f"{'' if key in given else '+'}{place}.{key}={_as_hydra_reads(value)}"
            for key, value in wanted.items()
            if key not in given or given[key] != value
        ]
        changes += [f"~{place}.{key}" for key in given if key not in wanted]
        name = path.relative_to(folder).with_suffix("").as_posix()
        found.append([f"{choose}={name}", *changes])
    words = min(found, key=len, default=[f"{choose}={choose.partition('@')[0].upper()}"])
    if inner is not None:
        place = f"{place}.inner"
        words += _words_for_net(at, inner, choose=f"net@{place}", place=place)
    return words


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their values; lists are values."""
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _as_hydra_reads(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_as_hydra_reads, value))}]"
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    text = str(value)
    if not isinstance(value, str) or _PLAIN_TEXT.fullmatch(text):
        return text
    return "'" + text.replace("'", r"\'") + "'"


# What Hydra's grammar takes for text without quotes, and not for a number or a word of its own.
_PLAIN_TEXT = re.compile(
    r"(?!(?:null|true|false|nan|inf)$)[a-zA-Z_/.][\w/.-]*[a-zA-Z_]|[a-zA-Z_]", re.ASCII | re.I
)
