"""Every file in conf/metric is a mapping of one name, builds, and measures; several go together."""

import inspect
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf

from sr_experiments.check import check
from sr_experiments.config import register
from sr_experiments.features.pretrained import NotAtHand
from sr_experiments.metrics import pristine
from sr_experiments.metrics.base import ImageMetric
from tests.conftest import ROOT
from tests.features.networks import official, torchvision_vgg, write_official_trunk, write_trunk

FOLDER = ROOT / "conf" / "metric"
PRESETS = sorted(path.stem for path in FOLDER.glob("*.yaml"))
FILE_OF = {"lpips": "weights", "dists": "weights", "niqe": "parameters"}


def load(*presets: str, overrides: Mapping[str, object] | None = None) -> DictConfig:
    """As `metric=[a,b]` composes them."""
    chosen = OmegaConf.merge(*(OmegaConf.load(FOLDER / f"{preset}.yaml") for preset in presets))
    root = OmegaConf.create({"scale": 4, "data": {"range": [0, 400]}, "metric": chosen})
    for key, value in (overrides or {}).items():
        OmegaConf.update(root, f"metric.{key}", value)
    assert isinstance(root.metric, DictConfig)
    return root.metric


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Made weights, named on the command line; the caches are empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    monkeypatch.setattr(pristine, "PACKAGES", {})
    np.savez(tmp_path / "niqe.npz", mu=np.arange(36.0), cov=np.eye(36))
    return {
        "lpips.weights": write_official_trunk(official("alex")[1], tmp_path / "alex.pth"),
        "dists.weights": str(write_trunk(torchvision_vgg("D"), tmp_path, name="vgg16")),
        "niqe.parameters": str(tmp_path / "niqe.npz"),
    }


def test_the_promised_presets_are_there() -> None:
    assert {"lpips", "dists", "niqe", "lr_psnr"} <= set(PRESETS)


def test_all_of_them_measure_one_image(files: dict[str, str]) -> None:
    config = load(*PRESETS, overrides=files)
    assert list(config) == PRESETS
    metrics = {name: instantiate(node) for name, node in config.items()}
    generator = torch.Generator().manual_seed(0)
    gt = torch.rand(2, 3, 96, 192, generator=generator)
    sr = gt + 0.1 * torch.randn(gt.shape, generator=generator)
    for name, metric in metrics.items():
        assert isinstance(metric, ImageMetric), name
        values = metric(sr, gt, lq=torch.rand(2, 3, 24, 48, generator=generator))
        assert values.shape == (2,), name
        assert values.dtype == torch.float64, name
        assert values.isfinite().all(), name
        assert isinstance(metric.higher_is_better, bool), name


def test_several_are_chosen_at_once() -> None:
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", overrides=["name=test", "metric=[niqe,lr_psnr]", "scale=3"])
    check(config)
    assert list(config.metric) == ["niqe", "lr_psnr"]
    assert config.metric.lr_psnr.scale == 3


@pytest.mark.parametrize("preset", PRESETS)
def test_its_arguments_are_all_there(preset: str) -> None:
    """So that what can be changed is seen where it is changed."""
    (node,) = load(preset).values()
    arguments = {str(key) for key in node if key != "_target_"}
    assert arguments == set(inspect.signature(get_class(node._target_)).parameters)


@pytest.mark.parametrize("preset", sorted(FILE_OF))
def test_without_its_files_it_can_be_told_from_a_mistake(preset: str, files: dict[str, str]) -> None:
    """Whoever evaluates leaves it out and says why; a wrong file or argument stops."""
    (node,) = load(preset).values()
    with pytest.raises(InstantiationException, match=r"not at hand: put ") as caught:
        instantiate(node)
    assert isinstance(caught.value.__cause__, NotAtHand)
    node[FILE_OF[preset]] = "gone.bin"
    with pytest.raises(InstantiationException, match=r"=gone\.bin: there is no such file") as caught:
        instantiate(node)
    assert not isinstance(caught.value.__cause__, NotAtHand)


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_says_what_it_is(preset: str) -> None:
    lines = (FOLDER / f"{preset}.yaml").read_text().splitlines()
    assert lines[0].startswith("# ")
    assert max(map(len, lines)) <= 110
    assert list(OmegaConf.load(FOLDER / f"{preset}.yaml")) == [preset]
