"""Every value that a preset draws is distributed as its YAML says: fixed seed, statistical tests."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from scipy import stats

from sr_experiments.imaging.ledger import Ledger
from tests.data.test_data_presets import composed

COUNT = 2500
PRESETS = ("blur_downscale", "classical", "bsrgan", "real_esrgan", "camera", "video")
NAMES = {  # of a decision -> the key of the range that it is drawn from
    "sigma": "sigma",
    "second sigma": "sigma",
    "strength": "strength",
    "quality": "quality",
    "length": "length",
    "radius": "radius",
    "share": "share",
    "brightness": "brightness",
    "contrast": "contrast",
    "saturation": "saturation",
    "gamma": "gamma",
    "kernel size": "kernel_size",
}


@cache
def drawn(preset: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The preset's config, and the pages of many samples of small images."""
    config = composed(f"degradation={preset}", "scale=4").degradation
    chain = instantiate(config)
    ledger = Ledger()
    for start in range(0, COUNT, 500):
        pages = Ledger()
        images = torch.full((500, 3, 32, 32), 0.5)
        chain(images, seed=11, positions=torch.arange(start, start + 500), ledger=pages)
        ledger.pages += pages.pages
    content = OmegaConf.to_container(config, resolve=True)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}, ledger.pages


def part(config: Mapping[str, Any], path: list[str]) -> Mapping[str, Any]:
    """The node of the config that a decision belongs to."""
    while True:
        if "step" in config:  # Sometimes has no name of its own
            config = config["step"]
        if not path:
            return config
        inner = config.get("steps") or config.get("choices")
        assert inner is not None, (path, config)
        config, path = inner[path[0]], path[1:]


def holder(config: Mapping[str, Any], path: list[str]) -> Mapping[str, Any]:
    """The same, but a `Sometimes` itself and not its step."""
    for name in path:
        config = config.get("step", config)
        inner = config.get("steps") or config.get("choices")
        assert inner is not None
        config = inner[name]
    return config


@pytest.mark.parametrize("preset", PRESETS)
def test_every_value_is_drawn_as_the_config_says(preset: str) -> None:
    config, pages = drawn(preset)
    names = sorted({name for page in pages for name in page})
    values = {name: [page[name] for page in pages if name in page] for name in names}
    told = [name for name in names if len(values[name]) >= 60]  # others are of a rare branch
    assert len(told) > 0.8 * len(names)
    for name in told:
        assert_drawn(name, values[name], config, [page for page in pages if name in page])


def assert_drawn(
    name: str, values: list[Any], config: Mapping[str, Any], pages: list[dict[str, Any]]
) -> None:
    *path, what = name.split("/")
    if what == "happens":
        probability = holder(config, path)["probability"]
        assert stats.binomtest(sum(values), len(values), probability).pvalue > 1e-4
        return
    node = part(config, path)
    if what == "grey":
        assert stats.binomtest(sum(values), len(values), node.get("grey", 0.0)).pvalue > 1e-4
    elif what == "order":
        assert_as_likely(values, dict.fromkeys(set(values), 1.0))
        assert len(set(values)) > 300
    elif what in ("choice", "kind", "interpolation"):
        key = {"choice": "shares", "kind": "kinds", "interpolation": "modes"}[what]
        assert_as_likely(values, node[key])
    elif what == "angle":
        assert stats.kstest(values, "uniform", (0, np.pi)).pvalue > 1e-4
    elif what in ("factor", "cutoff", "beta"):
        assert_mixture(what, np.array(values), node, pages, name)
    else:
        low, high = node[NAMES[what]]
        assert_in_range(what, np.array(values, dtype=float), low, high, node.get("uniform", "sigma"))


def assert_as_likely(values: list[str], shares: Mapping[str, float]) -> None:
    total = sum(shares.values())
    found = {name: values.count(name) for name in shares}
    assert sum(found.values()) == len(values)
    expected = {name: len(values) * share / total for name, share in shares.items()}
    common = [name for name in shares if expected[name] >= 5]
    if len(common) > 1:
        observed = np.array([found[name] for name in common], dtype=float)
        wanted = np.array([expected[name] for name in common])
        assert stats.chisquare(observed, wanted * observed.sum() / wanted.sum()).pvalue > 1e-4


def assert_in_range(what: str, values: np.ndarray, low: float, high: float, uniform: str) -> None:
    if low == high:
        assert (np.abs(values - low) < 1e-6).all()
    elif what in ("quality", "kernel size"):
        step = 2 if what == "kernel size" else 1
        numbers = np.arange(low, high + 1, step)
        assert_as_likely(
            [str(int(value)) for value in values], dict.fromkeys([str(int(n)) for n in numbers], 1.0)
        )
    elif what == "gamma":
        span = np.log(high / low)
        assert stats.kstest(np.log(values / low), "uniform", (0, span)).pvalue > 1e-4
    elif uniform == "variance":
        assert stats.kstest(values**2, "uniform", (low**2, high**2 - low**2)).pvalue > 1e-4
    else:
        assert stats.kstest(values, "uniform", (low, high - low)).pvalue > 1e-4


def assert_mixture(
    what: str, values: np.ndarray, node: Mapping[str, Any], pages: list[dict[str, Any]], name: str
) -> None:
    """Values that come from one of several ranges: each range gets its share, and is uniform within."""
    if what == "factor":
        shares, total = node["directions"], sum(node["directions"].values())
        kept = values == 1.0
        up, down = (values > 1.0) & ~kept, (values < 1.0) & ~kept
        found = {"up": up.sum(), "down": down.sum(), "keep": kept.sum()}
        for direction, share in shares.items():
            one_sided = node[direction][0] == node[direction][1] if direction != "keep" else False
            if not one_sided:
                assert stats.binomtest(int(found[direction]), len(values), share / total).pvalue > 1e-4
        for mask, (low, high) in ((up, node["up"]), (down, node["down"])):
            if mask.sum() > 30 and low < high:
                inside = 1 / values[mask] if node.get("uniform") == "divisor" else values[mask]
                first, last = (1 / high, 1 / low) if node.get("uniform") == "divisor" else (low, high)
                assert stats.kstest(inside, "uniform", (first, last - first)).pvalue > 1e-4
    elif what == "cutoff":
        side = name.removesuffix("cutoff") + "kernel size"
        large = np.array([page[side] >= 13 for page in pages])
        for mask, key in ((large, "cutoff_large"), (~large, "cutoff")):
            low, high = node.get(key) or node["cutoff"]
            assert stats.kstest(values[mask], "uniform", (low, high - low)).pvalue > 1e-4
    else:
        kind = name.removesuffix("beta") + "kind"
        for family in ("generalized", "plateau"):
            mine = values[[page[kind].startswith(family) for page in pages]]
            low, high = node[f"beta_{family}"]
            below = mine <= 1 if low == 1 else mine < 1  # Real-ESRGAN's plateau has its half at exactly 1
            assert stats.binomtest(int(below.sum()), len(mine), 0.5).pvalue > 1e-4
            assert stats.kstest(mine[~below], "uniform", (1, high - 1)).pvalue > 1e-4
            if low < 1:
                assert stats.kstest(mine[below], "uniform", (low, 1 - low)).pvalue > 1e-4
