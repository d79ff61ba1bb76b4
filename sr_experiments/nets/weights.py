"""Weight files: opened safely, unwrapped, and loaded exactly or as far as they fit."""

import re
import struct
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from sr_experiments.nets.base import SRNet
from sr_experiments.nets.foreign import Translation, translate
from sr_experiments.nets.misfit import Misfit

_WRAPPERS = ("params_ema", "params", "state_dict", "model")
_PREFIXES = ("ema.", "net.")
Which = Literal["ema", "raw"]  # the average of the weights, or the weights as the optimizer left them
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class LoadReport:
    """What `load_matching` did.

    Attributes:
        loaded: Keys that were copied into the network.
        skipped: Keys of the file that were not, and why.
        missing: Keys of the network that the file did not fill.
        renamed: Keys of the file that differ from the network's own (see `nets.foreign`) -> these.
    """

    loaded: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a weight file or checkpoint, by the network's own key names.

    Opens ``.safetensors`` and whatever ``torch.load(weights_only=True)`` opens, so no code in the file is
    run. Looks inside ``params_ema``, ``params``, ``state_dict`` and ``model``, in this order; takes
    ``module.`` and ``_orig_mod.`` off; of a training checkpoint takes the averaged network ``ema.*`` where
    there is one, else ``net.*``.

    What torch.save wrote is held against its checksums first. A safetensors file has none, nor has a file of
    torch.save in its old form (before torch 1.6): numbers that were changed in them are weights like others.

    Args:
        path: The file.

    Returns:
        Key -> tensor, on the CPU.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it can not be opened safely, is damaged, or holds no tensors.
    """
    return read_weights(path)[0]


def read_weights(
    path: Path, which: Which | None = None
) -> tuple[dict[str, Tensor], Which | Literal["plain"]]:
    """The tensors as `read_state_dict` has them, and what they are.

    Args:
        path: The file.
        which: The average or the raw weights; None: the average where there is one.

    Returns:
        Key -> tensor; and whether it is the average, the raw weights, or a file that does not say.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it can not be opened safely, is damaged, holds no tensors, or not those asked for.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such weight file")
    content = _load(path, load_file if path.suffix == ".safetensors" else _torch_load)
    found: Which | Literal["plain"] = "plain"
    order = _WRAPPERS if which != "raw" else ("params", *_WRAPPERS)
    while isinstance(content, Mapping):
        key = next((key for key in order if isinstance(content.get(key), Mapping)), None)
        if key is None:
            break
        found = {"params_ema": "ema", "params": "raw"}.get(key, found)  # type: ignore[assignment]
        content = content[key]
    state = {_unwrapped(key): value for key, value in _tensors(path, content).items()}
    for prefix in _PREFIXES if which != "raw" else reversed(_PREFIXES):
        chosen = {_unwrapped(key.removeprefix(prefix)): state[key] for key in state if key.startswith(prefix)}
        if chosen:
            state, found = chosen, "ema" if prefix == "ema." else "raw"
            break
    if which is not None and found != which:
        has = {"ema": "the average alone", "raw": "raw weights alone", "plain": "weights of one kind"}[found]
        raise ValueError(f"weights={which}: {path} holds {has}; leave weights= away")
    return state, found


def _unwrapped(key: str) -> str:
    """The key without what ``DataParallel`` and ``torch.compile`` put before it."""
    return key.removeprefix("module.").removeprefix("_orig_mod.")


def check_checksums(path: Path) -> None:
    """Refuse a file of torch.save whose bytes are not those that were written.

    It is a zip archive, which carries a checksum for each member; torch.load does not look at them. This
    reads the file once more: 0.44 s for a GB, where torch.load takes 0.65 s (one thread, file in memory).

    Args:
        path: The file; one that is no such archive is let pass, for there is nothing to look at.

    Raises:
        ValueError: if a checksum is wrong, a member is there twice, or something stands before the archive.
        zipfile.BadZipFile: if the archive is broken.
    """
    with path.open("rb") as stream:
        if stream.read(4) != _ZIP:  # which is how torch.load decides, too
            return
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        # Of two archives one behind the other zipfile would check the last, and torch read the first.
        if not members or min(member.header_offset for member in members) != 0:
            raise ValueError("a PyTorch file with something else in front of it: fetch it again")
        name, times = Counter(archive.namelist()).most_common(1)[0]
        if times > 1:
            raise ValueError(f"a PyTorch file that holds {name} twice: which is meant is not known")
        if not any(member.CRC for member in members):
            return  # torch.serialization.set_crc32_options(False): none were written
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(
            f"a PyTorch file that was damaged, {damaged} in it has a wrong checksum: fetch it again"
        )


def _torch_load(path: Path) -> Any:
    check_checksums(path)
    with warnings.catch_warnings():  # what it can not open it refuses, whatever the protocol
        warnings.filterwarnings("ignore", message="Detected pickle protocol|.* TorchScript archive")
        return torch.load(path, map_location="cpu", weights_only=True)


def _load(path: Path, loader: Callable[[Path], Any]) -> Any:
    try:
        return loader(path)
    except Exception as error:  # whatever the bytes of an arbitrary file make an unpickler raise
        if isinstance(error, OSError) and error.errno is not None:  # the disk, not the content
            error.filename = error.filename or str(path)
            raise
        raise ValueError(
            f"{path}: can not be opened as weights. Expected a whole .safetensors file, or tensors saved by "
            "torch.save without any other objects (opening such a file runs no code). "
            f"Found: {_what_it_is(path, error)}"
        ) from error


def _what_it_is(path: Path, error: Exception) -> str:
    """What a file that could not be opened seems to be. The loaders' own words advise to open it unsafely."""
    with path.open("rb") as stream:
        head = stream.read(256)
    text = str(error).strip()
    if not head:
        return "an empty file"
    if head.lstrip().startswith(b"<"):
        return "a web page, as a download leaves it that was answered with an error"
    if head.startswith(b"version https://git-lfs"):
        return "a git-lfs pointer instead of the file: fetch it with git lfs pull"
    if head.startswith(b"PK"):
        if not _is_archive(path):
            return "the beginning of a PyTorch file, which breaks off: fetch it again"
        if path.suffix == ".safetensors":
            return "a PyTorch file; call it .pth"
    if path.suffix == ".safetensors":
        return text.splitlines()[0]
    if head[8:9] == b"{":
        return "a safetensors file; call it .safetensors"
    if "TorchScript" in text:
        return "a TorchScript program; save its state_dict instead"
    if named := re.search(r"GLOBAL (\S+)", text):
        return f"a file that calls {named[1]}; save the state_dict of the net alone"
    if "Weights only" in text or not text:
        return "nothing that torch.save wrote"
    return text.splitlines()[0]


def _is_archive(path: Path) -> bool:
    """Whether the list of its members is there; `zipfile.is_zipfile` raises on some that are broken."""
    try:
        zipfile.ZipFile(path).close()
    except (zipfile.BadZipFile, ValueError, LookupError, struct.error, NotImplementedError):
        return False
    return True


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


class WeightsMisfit(ValueError):
    """Weights of another network."""


def load_exactly(net: SRNet, state: Mapping[str, Tensor], *, source: str) -> None:
    """Load weights that must be this network's, all of them and nothing else.

    Names that other projects gave are understood (see `nets.foreign`). Where such a project keeps a constant
    in its code instead of the file, as BasicSR does with EDSR's and RCAN's means, the network's own stays.

    Args:
        net: The network; unchanged where the weights are refused.
        state: Key -> tensor, as `read_state_dict` returns it.
        source: Where the weights are from, for messages.

    Raises:
        WeightsMisfit: if a tensor is missing, unexpected, or of another shape or kind.
        ValueError: if one is not finite.
    """
    given, misfit = compare(net, state)
    if misfit:
        name, expected = type(net).__name__, len(net.state_dict()) - len(given.constants)
        raise WeightsMisfit(
            f"{source}: does not fit {name} with scale={net.scale} and channels={net.in_channels}. "
            f"Expected {expected} tensors, found {len(state)}.\n{misfit.describe(net)}"
        )
    if bad := [given.file_keys.get(key, key) for key, value in given.state.items() if not _finite(value)]:
        more = f" and {len(bad) - 1} more tensors" if len(bad) > 1 else ""
        raise ValueError(
            f"{source}: {bad[0]}{more} contain NaN or infinity: the training that wrote the file diverged, "
            "or the file is damaged; take an earlier checkpoint or fetch it again"
        )
    net.load_state_dict(given.state, strict=False)  # the constants are what is left


def compare(net: SRNet, state: Mapping[str, Tensor]) -> tuple[Translation, Misfit]:
    """Weights by a network's own names, and what of them is not as it has them. Values are not looked at."""
    given, own = translate(net, state), net.state_dict()
    return given, Misfit(
        missing=[key for key in own if key not in given.state and key not in given.constants],
        unexpected=[given.file_keys.get(key, key) for key in given.state if key not in own],
        wrong={
            key: (own[key], value)
            for key, value in given.state.items()
            if key in own and _misfit(own[key], value) is not None
        },
        file_keys=given.file_keys,
    )


def load_matching(net: nn.Module, state: Mapping[str, Tensor]) -> LoadReport:
    """Copy what fits by name, shape and kind into a network and say what did not.

    A network of another scale takes all but its upsampler this way. Names that other projects gave are
    understood (see `nets.foreign`).

    Args:
        net: The network; changed in place.
        state: Key -> tensor, as `read_state_dict` returns it.
    """
    own, given = net.state_dict(), translate(net, state)
    skipped = {
        key: reason
        for key, value in given.state.items()
        if (
            reason := _misfit(own.get(key), value) or (None if _finite(value) else "contains NaN or infinity")
        )
    }
    fitting = {key: value for key, value in given.state.items() if key not in skipped}
    net.load_state_dict(fitting, strict=False)
    return LoadReport(
        loaded=list(fitting),
        skipped={given.file_keys.get(key, key): reason for key, reason in skipped.items()},
        missing=[key for key in own if key not in fitting],
        renamed={theirs: ours for ours, theirs in given.file_keys.items()},
    )


def _misfit(own: Tensor | None, given: Tensor) -> str | None:
    """Why a tensor can not be copied, or None. Floating point of another width is converted."""
    if own is None:
        return "no such key in the net"
    if own.shape != given.shape:
        return f"shape {tuple(given.shape)} in the file, {tuple(own.shape)} in the net"
    if own.is_floating_point() != given.is_floating_point() or own.is_complex() != given.is_complex():
        return f"{given.dtype} in the file, {own.dtype} in the net"
    if given.is_quantized or given.layout != torch.strided:
        return "quantised or sparse in the file, plain numbers in the net"
    return None


def _finite(value: Tensor) -> bool:
    """Whether no number is NaN or infinite."""
    return not value.is_floating_point() or bool(value.float().isfinite().all())
