"""The nets that spandrel tells from a state dict, as `SpandrelNet` builds them."""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from sr_experiments.nets.recognise import NotRecognised, Recognised, check_ends
from sr_experiments.nets.spandrel import Option, find_class, plain
from sr_experiments.nets.spandrel_facts import FACTS, Architecture


def by_spandrel(state: Mapping[str, Tensor]) -> Recognised:
    """Let spandrel tell the architecture and its sizes, and say them as arguments of `SpandrelNet`.

    Args:
        state: Key -> tensor.

    Raises:
        NotRecognised: if spandrel is not installed, knows no such architecture, or it has no place here.
    """
    try:
        from spandrel import MAIN_REGISTRY, ImageModelDescriptor
    except ImportError as error:
        raise NotRecognised(
            "none of EDSR, RCAN, MSRResNet, RRDBNet and SRVGG; spandrel, which recognises 40 more, can not "
            f'be imported ({error}): pip install "sr-experiments[spandrel]"'
        ) from error
    state = dict(state)
    entry = next((one for one in MAIN_REGISTRY.architectures("detection") if one.detect(state)), None)
    if entry is None:
        raise NotRecognised("none of the architectures that are known here or to spandrel")
    name = entry.architecture.name
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="torch.meshgrid")  # theirs to mend
            found = entry.architecture.load(state)  # which changes some keys
    except Exception as error:  # whatever weights of something else make their code raise
        said = (str(error) or type(error).__name__).splitlines()[0]
        raise NotRecognised(
            f"something that looks like {name} to spandrel, which can not load it: {said}"
        ) from error
    if not isinstance(found, ImageModelDescriptor):
        raise NotRecognised(f"{name}, which takes a mask beside the image")
    if found.purpose == "FaceSR":
        raise NotRecognised(f"{name}, for aligned faces of one size only")
    check_ends(name, channels=found.input_channels, out=found.output_channels, scale=found.scale)
    architecture = _architecture_of(found.model, scale=found.scale)
    if architecture is None:
        raise NotRecognised(f"{type(found.model).__name__} (spandrel's {name}), which has no place here")
    options = _options(found.model, architecture)
    return Recognised(
        architecture,
        "sr_experiments.nets.spandrel.SpandrelNet",
        {
            "architecture": architecture,
            "scale": found.scale,
            "in_channels": found.input_channels,
            "options": options,
        },
        {key: value.detach().clone() for key, value in found.model.state_dict().items()},
    )


def _architecture_of(model: nn.Module, *, scale: int) -> Architecture | None:
    for name, facts in FACTS.items():
        if scale in facts.scales and type(model) is find_class(facts, name, scale):
            return name
    return None


def _options(model: nn.Module, architecture: Architecture) -> dict[str, Option]:
    """The arguments that spandrel built its class with, as far as they differ from the class's own."""
    facts = FACTS[architecture]
    given: Mapping[str, Any] = model.hyperparameters  # type: ignore[assignment]  # spandrel keeps them there
    parameters = inspect.signature(type(model).__init__).parameters
    options: dict[str, Option] = {}
    for key, value in given.items():
        if key in (*facts.channels, facts.scale) or key not in parameters or callable(value):
            continue
        if plain(value) == plain(parameters[key].default):
            continue
        if key in facts.withheld:
            raise NotRecognised(f"{architecture} with {key}={value}, which has no place here")
        options[key] = plain(value)
    return options
