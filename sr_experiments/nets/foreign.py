"""Key names that other projects gave to the same networks.

Our nets keep the names of the papers' own releases. Weights of the same architecture are also published under
other names; a net that knows some states them as `foreign_namings`, a few patterns each. A net about another
one, its `inner`, has the other's names behind ``inner.``; weights go either way.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from torch import Tensor, nn


@dataclass(frozen=True)
class Naming:
    """How a project calls the layers of a net.

    Attributes:
        project: Who calls them so.
        layers: Pattern of a whole layer name (a key without its last part, ``weight`` or ``bias``) -> our
            name for it, with ``\\1`` for the pattern's first group.
        constants: Our layers that are no weights there but numbers in the code. The net's own are kept.
    """

    project: str
    layers: Mapping[str, str]
    constants: tuple[str, ...] = ()

    def ours(self, key: str) -> str | None:
        """Our key for a key of this project; None where it has no such layer."""
        layer, _, leaf = key.rpartition(".")
        for pattern, name in self.layers.items():
            if match := re.fullmatch(pattern, layer):
                return f"{match.expand(name)}.{leaf}"
        return None


@runtime_checkable
class KnowsForeignNames(Protocol):
    """A net whose weights are published under other names too."""

    @property
    def foreign_namings(self) -> tuple[Naming, ...]:
        """These names."""
        ...


@runtime_checkable
class HasInner(Protocol):
    """A net about another one."""

    inner: nn.Module


_INNER = "inner."


@dataclass(frozen=True)
class Translation:
    """Weights under our names.

    Attributes:
        state: Our key -> tensor.
        file_keys: Our key -> the file's, for those that differ.
        constants: Keys of the net that the file's project does not store.
    """

    state: dict[str, Tensor]
    file_keys: dict[str, str] = field(default_factory=dict)
    constants: set[str] = field(default_factory=set)


def translate(net: nn.Module, state: Mapping[str, Tensor]) -> Translation:
    """Give the keys of another project's file, or of a net about this one or inside it, the net's own names.

    A project's names are used where it knows every key that the net does not: a file of another architecture
    that shares a few names with it, as in BasicSR, is left as it is. A key that the net has itself is never
    renamed, nor is one whose own name the file has as well.

    Args:
        net: The network that the weights are for.
        state: Key -> tensor.
    """
    own = net.state_dict().keys()
    strange = [key for key in state if key not in own]
    for naming in net.foreign_namings if strange and isinstance(net, KnowsForeignNames) else ():
        ours = {key: naming.ours(key) for key in strange}
        if None in ours.values():
            continue
        result = Translation(state={key: value for key, value in state.items() if key in own})
        for key, name in ours.items():
            if name is None or name in result.state:
                result.state[key] = state[key]
            else:
                result.state[name] = state[key]
                result.file_keys[name] = key
        constants = {key for key in own if key.rpartition(".")[0] in naming.constants}
        result.constants.update(constants - result.state.keys() if result.file_keys else ())
        return result
    if isinstance(net, HasInner):
        return _into_inner(net, state)
    outside = {key: key.removeprefix(_INNER) for key in strange if key.startswith(_INNER)}
    return _renamed(state, {key: name for key, name in outside.items() if name in own and name not in state})


def _into_inner(net: HasInner, state: Mapping[str, Tensor]) -> Translation:
    """Keys without ``inner.`` may be the inner net's own, or another project's for it."""
    own = {_INNER + key for key in net.inner.state_dict()}
    given = translate(net.inner, {key: state[key] for key in state if not key.startswith(_INNER)})
    keys = {given.file_keys.get(key, key): _INNER + key for key in given.state}
    names = {key: name for key, name in keys.items() if name in own and name not in state}
    constants = {_INNER + key for key in given.constants}
    return replace(_renamed(state, names), constants=constants - state.keys())


def _renamed(state: Mapping[str, Tensor], names: Mapping[str, str]) -> Translation:
    return Translation(
        state={names.get(key, key): value for key, value in state.items()},
        file_keys={name: key for key, name in names.items()},
    )


def basicsr_ends(*, blocks: int) -> dict[str, str]:
    """What EDSR and RCAN have in common in BasicSR: all but the inside of the body's first `blocks` parts."""
    return {
        "conv_first": "head.0",
        "conv_after_body": f"body.{blocks}",
        r"upsample\.(\d+)": r"tail.0.\1",
        "conv_last": "tail.1",
    }
