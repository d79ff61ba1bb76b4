"""The recipes of papers: what they say is what a run gets."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from sr_experiments.check import check
from sr_experiments.config import register
from sr_experiments.rebuild import weights_of
from sr_experiments.report.published import table
from tests.conftest import ROOT

FIELDS = {"guided_disparity_x8", "medical_x2", "satellite_x2", "video_x4"}  # of no paper: docs/fields/
RECIPES = sorted({path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml")} - FIELDS)

# HR patch, batch, rate, steps: the table of recipes of the papers and their releases
PUBLISHED = {
    "edsr_baseline_x2": (96, 16, 1e-4, 300_000),
    "edsr_baseline_x3": (144, 16, 1e-4, 300_000),
    "edsr_baseline_x4": (192, 16, 1e-4, 300_000),
    "edsr_x2": (96, 16, 1e-4, 300_000),
    "edsr_x3": (144, 16, 1e-4, 300_000),
    "edsr_x4": (192, 16, 1e-4, 300_000),
    "rcan_x2": (96, 16, 1e-4, 1_000_000),
    "rcan_x3": (144, 16, 1e-4, 1_000_000),
    "rcan_x4": (192, 16, 1e-4, 1_000_000),
    "srresnet_x4": (96, 16, 1e-4, 1_000_000),
    "rrdb_psnr_x4": (128, 16, 2e-4, 1_000_000),
    "swinir_x2": (96, 32, 2e-4, 500_000),
    "swinir_x3": (144, 32, 1e-4, 500_000),
    "swinir_x4": (192, 32, 1e-4, 500_000),
    "vdsr": (41, 64, 0.1, 80_000),
    "srgan_x4": (96, 16, 1e-4, 200_000),
    "esrgan_x4": (128, 16, 1e-4, 400_000),
    "real_esrnet_x4": (256, 48, 2e-4, 1_000_000),
    "real_esrgan_x4": (256, 48, 1e-4, 400_000),
}
ADVERSARIAL = {"srgan_x4": "srresnet_x4", "esrgan_x4": "rrdb_psnr_x4", "real_esrgan_x4": "real_esrnet_x4"}


def recipe(name: str) -> DictConfig:
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        overrides = [f"experiment={name}"]
        model = compose("config", overrides=overrides, return_hydra_config=True)
        chosen = str(model.hydra.runtime.choices.model).replace("/", "-")
        config = compose("config", overrides=[*overrides, f"name={chosen}"])
    check(config)
    return config


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_at_the_scale_in_its_name(name: str) -> None:
    """The root config came after the recipe and won: edsr_baseline_x2 trained at x4 and said nothing."""
    config = recipe(name)
    if "_x" in name:
        assert config.scale == config.net.scale == int(name[-1])
    assert config.channels == (1 if name in ("srcnn_x3", "vdsr") else 3)
    assert not config.data.demo
    assert config.trainer.max_time is None, "the demo's clock is not a recipe's"


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_a_recipe_has_the_papers_sizes(name: str) -> None:
    config = recipe(name)
    steps = config.trainer.max_epochs * config.data.steps_per_epoch
    assert (config.data.patch_size, config.data.batch_size, config.optimizer.lr, steps) == PUBLISHED[name]


def test_every_recipe_is_known() -> None:
    assert set(RECIPES) == set(PUBLISHED) | {"srcnn_x3"}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_states_source_deviations_and_figure(name: str) -> None:
    text = Path(ROOT / "conf" / "experiment" / f"{name}.yaml").read_text(encoding="utf-8")
    comment = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    assert "Deviation" in comment
    assert "Set5" in comment
    assert "arXiv" in comment or "as x2" in comment, "its source, or that of the recipe it derives from"
    config = recipe(name)
    protocol = "luma" if config.channels == 1 else "rgb"
    published = table().get((config.name, "set5", config.scale, protocol))
    if published is not None and name not in {"vdsr", *ADVERSARIAL}:
        assert f"{published.psnr_y:.2f}" in comment, "the figure in the recipe is the one in the table"


def test_vdsr_trains_on_all_its_scales_with_the_papers_clipping() -> None:
    config = recipe("vdsr")
    assert config.data.scales == [2, 3, 4]
    assert config.model.clip_by_rate == 1e-4
    assert config.loss.terms.mse.weight == 41 * 41 / 2
    assert config.schedule.scheduler.milestones == [20_000, 40_000, 60_000]
    assert config.optimizer._target_ == "torch.optim.SGD"


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_an_adversarial_recipe_starts_from_its_psnr_recipe(name: str) -> None:
    """From nothing a generator learns patterns before pictures; so the weights are asked for, not assumed."""
    config, start = recipe(name), recipe(ADVERSARIAL[name])
    assert config.net == start.net
    assert config.model._target_.endswith("GANModel")
    # No such file: until the user names his run, the message says what is missing.
    assert config.init_from == f"RUN_OF_{ADVERSARIAL[name].upper()}"
    with pytest.raises(FileNotFoundError, match=f"init_from={config.init_from}: there is no such run"):
        weights_of(config.init_from, option="init_from")
    assert ADVERSARIAL[name] in (ROOT / "conf" / "experiment" / f"{name}.yaml").read_text(encoding="utf-8")
