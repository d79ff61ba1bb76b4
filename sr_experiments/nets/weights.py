"""Weight files: opened safely, unwrapped, and loaded as far as they fit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

_WRAPPERS = ("params_ema", "params", "state_dict", "model")
_PREFIXES = ("ema.", "net.")


@dataclass(frozen=True)
class LoadReport:
    """What `load_matching` did.

    Attributes:
        loaded: Keys that were copied into the network.
        skipped: Keys of the file that were not, and why.
        missing: Keys of the network that the file did not fill.
    """

    loaded: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a weight file or checkpoint, by the network's own key names.

    Opens ``.safetensors`` and whatever ``torch.load(weights_only=True)`` opens, so no code in the file is
    run. Looks inside ``params_ema``, ``params``, ``state_dict`` and ``model``, in this order; takes
    ``module.`` and ``_orig_mod.`` off; of a training checkpoint takes the averaged network ``ema.*`` where
    there is one, else ``net.*``.

    Args:
        path: The file.

    Returns:
        Key -> tensor, on the CPU.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it can not be opened safely or holds no tensors.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such weight file")
    content = _load(path, load_file if path.suffix == ".safetensors" else _torch_load)
    while isinstance(content, Mapping):
        inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    state = _tensors(path, content)
    state = {_unwrapped(key): value for key, value in state.items()}
    for prefix in _PREFIXES:
        chosen = {_unwrapped(key.removeprefix(prefix)): state[key] for key in state if key.startswith(prefix)}
        if chosen:
            return chosen
    return state


def _unwrapped(key: str) -> str:
    """The key without what ``DataParallel`` and ``torch.compile`` put before it."""
    return key.removeprefix("module.").removeprefix("_orig_mod.")


def _torch_load(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _load(path: Path, loader: Callable[[Path], Any]) -> Any:
    try:
        return loader(path)
    except OSError:
        raise  # the disk, not the content
    except Exception as error:  # whatever the bytes of an arbitrary file make an unpickler raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"{path}: can not be opened as weights. Expected a whole .safetensors file, or tensors saved by "
            f"torch.save without any other objects (opening such a file runs no code). Found: {reason}"
        ) from error


def _tensors(path: Path, content: Any) -> dict[str, Tensor]:
    """The content if it is key -> tensor; entries that are no tensors are left out."""
    if isinstance(content, Mapping):
        state = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
        if state:
            return state
        keys = ", ".join(map(repr, list(content)[:5]))
        found = f"a dict with the keys {keys}" if content else "an empty dict"
    else:
        found = f"a {type(content).__name__}"
    places = ", ".join(_WRAPPERS)
    raise ValueError(
        f"{path}: holds no state dict. Expected key -> tensor, or that under one of {places}. Found: {found}"
    )


def load_matching(net: nn.Module, state: Mapping[str, Tensor]) -> LoadReport:
    """Copy what fits by name, shape and kind into a network and say what did not.

    A network of another scale takes all but its upsampler this way.

    Args:
        net: The network; changed in place.
        state: Key -> tensor, as `read_state_dict` returns it.
    """
    own = net.state_dict()
    skipped = {key: reason for key, value in state.items() if (reason := _misfit(own.get(key), value))}
    fitting = {key: value for key, value in state.items() if key not in skipped}
    net.load_state_dict(fitting, strict=False)
    return LoadReport(
        loaded=list(fitting), skipped=skipped, missing=[key for key in own if key not in fitting]
    )


def _misfit(own: Tensor | None, given: Tensor) -> str | None:
    """Why a tensor can not be copied, or None. Floating point of another width is converted."""
    if own is None:
        return "no such key in the net"
    if own.shape != given.shape:
        return f"shape {tuple(given.shape)} in the file, {tuple(own.shape)} in the net"
    if own.is_floating_point() != given.is_floating_point() or own.is_complex() != given.is_complex():
        return f"{given.dtype} in the file, {own.dtype} in the net"
    return None
