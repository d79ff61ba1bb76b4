"""Every kind of mistake in a config is found before anything is built, and the nearest right name is told."""

from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import pytest
from omegaconf import OmegaConf

from sr_experiments.check import check
from sr_experiments.config import Config

Mode = Literal["max", "min"]


class Term(TypedDict):
    weight: float
    loss: Any


@dataclass
class Window:
    """A target with every type that our configs use."""

    size: int
    sigma: float = 1.5
    name: str = "gauss"
    on: bool = True
    mode: Mode = "max"
    depth: int | None = None
    kernels: "tuple[int, int, int]" = (9, 5, 5)
    mean: list[float] | None = None
    terms: dict[str, Term] | None = None
    inner: "Window | None" = None


def problems(**window: Any) -> str:
    config = OmegaConf.structured(Config)
    node = {"_target_": f"{__name__}.Window", "size": 3} | window
    for key in ("task", "model", "loss", "data", "degradation", "optimizer", "schedule", "trainer"):
        config[key] = {}
    config.name = "test"
    config.net = {key: value for key, value in node.items() if value != "ABSENT"}
    try:
        check(config)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "right",
    [
        {},
        {"sigma": 2},
        {"depth": None},
        {"depth": 4},
        {"mode": "min"},
        {"kernels": [9, 1, 5]},
        {"mean": [0.4, 0.4, 0.4]},
        {"terms": {"l1": {"weight": 1.0, "loss": {}}}},
        {"inner": {"_target_": f"{__name__}.Window", "size": 1}},
    ],
)
def test_right_values_pass(right: dict[str, Any]) -> None:
    assert problems(**right) == ""


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"sgima": 2.0},
            "net.sgima: Window has no argument 'sgima'. Did you mean 'sigma'? It takes: size, sigma",
        ),
        ({"size": "ABSENT"}, "net.size: Window needs this argument: net.size=VALUE"),
        ({"size": "abc"}, "net.size='abc': must be int, not str"),
        ({"size": 2.5}, "net.size=2.5: must be int, not float"),
        ({"size": True}, "net.size=True: must be int, not bool"),
        ({"sigma": "abc"}, "net.sigma='abc': must be float, not str"),
        ({"sigma": None}, "net.sigma=None: must be float, not NoneType"),
        ({"on": 1}, "net.on=1: must be bool, not int"),
        ({"name": 3}, "net.name=3: must be str, not int"),
        ({"mode": "maximum"}, "net.mode='maximum': must be one of max, min. Did you mean 'max'?"),
        ({"depth": "deep"}, "net.depth='deep': must be int | None, not str"),
        ({"kernels": [9, 5]}, "net.kernels=[9, 5]: must be"),
        ({"kernels": 9}, "net.kernels=9: must be"),
        ({"mean": [0.4, "x"]}, "net.mean=[0.4, 'x']: must be list[float] | None, not list"),
        ({"inner": 3}, "net.inner=3: must be"),
        (
            {"inner": {"_target_": f"{__name__}.Window", "sise": 1}},
            "net.inner.sise: Window has no argument 'sise'",
        ),
        ({"_target_": f"{__name__}.Windo"}, "has no 'Windo'. Did you mean 'Window'?"),
        ({"_target_": 3}, "net._target_: must be a dotted path module.Name, not 3"),
    ],
)
def test_wrong_values_are_named(wrong: dict[str, Any], message: str) -> None:
    assert message in problems(**wrong)


def test_all_problems_are_told_at_once() -> None:
    assert len(problems(sgima=1, size="a", on=3).splitlines()) == 3


@dataclass
class Sum:
    terms: dict[str, Term]


def test_the_keys_of_a_mapping_of_known_fields() -> None:
    target = f"{__name__}.Sum"
    found = problems(inner={"_target_": target, "terms": {"l1": {"wieght": 1.0, "loss": {}}}})
    assert "net.inner.terms.l1.wieght: no such key. Did you mean 'weight'? It takes: weight, loss." in found
    assert "net.inner.terms.l1.weight: this key is needed" in found
    found = problems(inner={"_target_": target, "terms": {"l1": {"weight": "much", "loss": {}}}})
    assert "net.inner.terms.l1.weight='much': must be float, not str" in found
    assert "net.inner.terms.l1=3: must be a mapping" in problems(
        inner={"_target_": target, "terms": {"l1": 3}}
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("scale", 0, "scale=0: must be 1 or more"),
        ("channels", -1, "channels=-1: must be 1 or more"),
        ("seed", -1, "seed=-1: must be 0 or more"),
        ("precision", "bf61", "precision=bf61: choose one of auto, 32-true"),
    ],
)
def test_root_values(key: str, value: Any, message: str) -> None:
    config = OmegaConf.structured(Config)
    config[key] = value
    with pytest.raises(ValueError, match=message):
        check(config)


def test_a_missing_value_and_an_unknown_root_key() -> None:
    config = OmegaConf.structured(Config)
    OmegaConf.set_struct(config, False)
    from omegaconf import open_dict

    with open_dict(config):
        config["scael"] = 3
    config.data = {"root": "???"}
    with pytest.raises(
        ValueError, match=r"scael: no such key at the top level\. Did you mean 'scale'\?"
    ) as caught:
        check(config)
    assert "data.root=??? needs a value: data.root=FOLDER" in str(caught.value)


def test_an_interpolation_that_leads_nowhere() -> None:
    config = OmegaConf.structured(Config)
    for key in ("task", "model", "net", "loss", "data", "degradation", "optimizer", "schedule", "trainer"):
        config[key] = {}
    config.name = "test"
    config.net = {"scale": "${scael}"}
    with pytest.raises(ValueError, match="Interpolation key 'scael' not found"):
        check(config)
