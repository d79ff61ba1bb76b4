"""Architectures of spandrel (https://github.com/chaiNNer-org/spandrel), built from scratch and trained here.

Transformers and others of which spandrel keeps a tested copy of the authors' code are taken from there, not
copied again: an optional extra. Their weights keep the official key names, so official files load and
spandrel opens ours. ``conf/net/spandrel/*.yaml`` are the published sizes.

Of the 42 architectures of spandrel 0.4.2 these are not here: RCAN, ESRGAN and Compact (our own are ``rcan``,
``rrdbnet`` and ``srvgg``); IPT (images of one size only); AuraSR (a generator fed with noise, x4 only);
MMRealSR (x4 only, trained by a procedure of its own through a second output); those that keep the size of
the image (DRUNet, DnCNN, FBCNN, FFTformer, HVICIDNet, KBNet, LaMa, MixDehazeNet, NAFNet, RetinexFormer,
SAFMNBCIE, SCUNet, Uformer) and those for faces (GFPGAN, RestoreFormer).
"""

import difflib
import importlib
import inspect
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sr_experiments.nets.base import SRNet, check_scale
from sr_experiments.nets.spandrel_facts import FACTS, Architecture, Facts

Option = int | float | bool | str | Sequence[int | float | str | None] | None


class SpandrelNet(SRNet):
    """An architecture of spandrel in the contract of `SRNet`, with the key names of its official release."""

    _inner: nn.Module

    def __init__(
        self,
        *,
        architecture: Architecture,
        scale: int,
        in_channels: int = 3,
        options: Mapping[str, Option] | None = None,
    ) -> None:
        """Build spandrel's class with random weights.

        Args:
            architecture: Name of the architecture, as spandrel has it.
            scale: 2, 3, 4 or 8, where the architecture has it.
            in_channels: Channels in and out; some take 3 only.
            options: Further arguments of spandrel's class, by its names.

        Raises:
            ValueError: if spandrel is not installed, or the architecture, scale, number of channels or an
                option does not exist.
        """
        facts = _facts(architecture)
        check_scale(architecture, scale, facts.scales)
        make = find_class(facts, architecture, scale)
        given = {name: plain(value) for name, value in (options or {}).items()}
        _check_options(architecture, make, given, facts)
        _check_channels(architecture, in_channels, given, facts)
        fixed = dict.fromkeys(facts.channels, in_channels) | ({facts.scale: scale} if facts.scale else {})
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="torch.meshgrid")  # theirs to mend
                inner = make(**given, **fixed)
        except Exception as error:  # whatever their constructors raise for values that do not fit together
            raise ValueError(
                f"spandrel's {architecture} can not be built with options={given} at scale={scale}, "
                f"in_channels={in_channels}: {error or type(error).__name__}"
            ) from error
        assert isinstance(inner, nn.Module)
        multiple = int(getattr(inner, facts.multiple)) if facts.multiple else 1
        minimum = max(facts.minimum, multiple)
        super().__init__(scale=scale, in_channels=in_channels, multiple_of=multiple, minimum=minimum)
        self.architecture = architecture
        self._train_path = facts.train_path
        self._half_by_autocast = facts.half_by_autocast
        self._adopt(inner)
        for name, parameter in self.named_parameters():
            if facts.unused and re.search(facts.unused, name):
                parameter.requires_grad_(False)

    def _adopt(self, inner: nn.Module) -> None:
        """Own what `inner` owns, under the same names.

        Were it a submodule, every key would have a prefix that no official file has.
        """
        self._parameters = inner._parameters
        self._buffers = inner._buffers
        self._modules = inner._modules
        self._non_persistent_buffers_set = inner._non_persistent_buffers_set
        object.__setattr__(self, "_inner", inner)  # past nn.Module, which would register it
        self.train(self.training)

    def train(self, mode: bool = True) -> "SpandrelNet":
        """Switch to training or evaluation."""
        super().train(mode)
        self._inner.train(mode or self._train_path)
        return self

    def forward(self, lq: Tensor) -> Tensor:
        """Enlarge (B, C, H, W)."""
        sr: Tensor
        if self._half_by_autocast and lq.dtype in (torch.bfloat16, torch.float16):
            with torch.autocast(lq.device.type, dtype=lq.dtype):
                sr = self._inner(lq).to(lq.dtype)
        else:
            sr = self._inner(lq)
        wanted = (*lq.shape[:2], self.scale * lq.shape[2], self.scale * lq.shape[3])
        if sr.shape != wanted:
            raise ValueError(
                f"spandrel's {self.architecture} makes {tuple(sr.shape)} of {tuple(lq.shape)}, not {wanted}: "
                f"its options do not fit scale={self.scale} (is 'upsampler' set?)"
            )
        return sr


def _facts(architecture: str) -> Facts:
    for name, facts in FACTS.items():
        if name == architecture:
            return facts
    close = difflib.get_close_matches(architecture, FACTS, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"architecture={architecture!r}: not one of {', '.join(FACTS)}.{hint}")


def find_class(facts: Facts, architecture: str, scale: int) -> Callable[..., object]:
    """The class of spandrel's.

    Raises:
        ValueError: if spandrel is not installed.
    """
    try:
        module = importlib.import_module(f"spandrel.architectures.{facts.module or architecture}")
    except ImportError as error:
        raise ValueError(
            f"the network {architecture} comes with spandrel, which can not be imported ({error}): "
            'pip install "sr-experiments[spandrel]"'
        ) from error
    name = facts.classes[scale] if facts.classes else architecture
    found: Callable[..., object] = getattr(module, name)
    return found


def plain(value: Any) -> Any:
    """Lists of any kind (OmegaConf's too) as lists, since the architectures index and multiply them."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(entry) for entry in value]
    return value


def _check_options(
    architecture: str, make: Callable[..., object], given: Mapping[str, Any], facts: Facts
) -> None:
    """Refuse options that the class does not have, that are set elsewhere, or of the wrong kind."""
    parameters = dict(inspect.signature(make).parameters)
    reserved = dict.fromkeys(facts.channels, "in_channels") | ({facts.scale: "scale"} if facts.scale else {})
    settable = {
        name: parameter
        for name, parameter in parameters.items()
        if name not in (*reserved, *facts.withheld) and not callable(_default(parameter))
    }
    for name, value in given.items():
        if name in reserved:
            raise ValueError(f"options.{name}: is given by {reserved[name]} of the network")
        if name not in settable:
            close = difflib.get_close_matches(name, settable, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            takes = ", ".join(settable) or "none"
            known = f"{hint} It takes: {takes}"
            raise ValueError(f"options.{name}: spandrel's {architecture} has no such option.{known}")
        kind = _kind(_default(settable[name]))
        if kind not in ("anything", _kind(value)):
            raise ValueError(f"options.{name}={value!r}: spandrel's {architecture} wants {kind}")
    for name, parameter in settable.items():
        if parameter.default is inspect.Parameter.empty and name not in given:
            raise ValueError(f"options.{name}: spandrel's {architecture} needs this option")


def _check_channels(architecture: str, in_channels: int, given: Mapping[str, Any], facts: Facts) -> None:
    if in_channels == 3:
        return
    if not facts.channels:
        raise ValueError(f"in_channels={in_channels}: spandrel's {architecture} works on 3 channels only")
    if facts.rgb_option and given.get(facts.rgb_option, True):
        raise ValueError(
            f"in_channels={in_channels}: spandrel's {architecture} works on 3 channels only, unless "
            f"options.{facts.rgb_option}=false"
        )


def _default(parameter: inspect.Parameter) -> Any:
    return None if parameter.default is inspect.Parameter.empty else parameter.default


def _kind(value: Any) -> str:
    """What an option is, by an example of it."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, Sequence) else "anything"
