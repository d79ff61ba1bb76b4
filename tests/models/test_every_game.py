"""Every discriminator, adversarial loss and generator play together.

Those of ours in all combinations; the many nets of spandrel each in one, and in all of them as a slow test.
"""

import importlib
import itertools
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from torch import Tensor
from torch.utils.data import DataLoader

from sr_experiments.losses.adversarial import AdversarialLoss
from sr_experiments.models.gan import GANModel
from tests.conftest import ROOT
from tests.models.games import game, vector
from tests.nets import discriminator_toys
from tests.nets.toys import build_net, net_names

pytestmark = [
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Found .* in eval mode at the start"),  # the moving average
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`"),
    pytest.mark.filterwarnings(
        "ignore:'saved_variables' is deprecated:DeprecationWarning"
    ),  # spandrel's OmniSR
]

SCALE = 2
DISCRIMINATORS = discriminator_toys.NAMES
ADVERSARIES = sorted({path.stem for path in (ROOT / "conf" / "adversary").glob("*.yaml")} - {"_base"})
FIXED = {"nearest", "bilinear", "bicubic", "lanczos", "spectrum"}  # nothing to train
GENERATORS = [name for name in net_names() if name not in FIXED]
OURS = [name for name in GENERATORS if "/" not in name]
THEIRS = [name for name in GENERATORS if "/" in name]


def conf(name: str) -> dict[str, Any]:
    """A file of conf/adversary with what it shares, and its loss as an object."""
    folder = ROOT / "conf" / "adversary"
    plain = OmegaConf.to_container(
        OmegaConf.merge(OmegaConf.load(folder / "_base.yaml"), OmegaConf.load(folder / f"{name}.yaml"))
    )
    assert isinstance(plain, dict)
    module, _, attribute = plain["loss"].pop("_target_").rpartition(".")
    loss = getattr(importlib.import_module(module), attribute)(**plain["loss"])
    assert isinstance(loss, AdversarialLoss)
    shared = {str(key): value for key, value in plain.items() if key != "defaults" and str(key)[0] != "_"}
    return shared | {"loss": loss}


def batch(side: int, *, channels: int = 3) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(0)
    lq, gt = (torch.rand(2, channels, size, size, generator=random) for size in (side // SCALE, side))
    return {"lq": lq, "gt": gt, "position": torch.arange(2)}


def two_steps(model: GANModel, side: int, *, channels: int = 3) -> dict[str, float]:
    """Train in a real trainer; what was logged last."""
    batches: Any = [batch(side, channels=channels)] * 2
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    trainer.fit(model, DataLoader(batches, batch_size=None))
    assert trainer.global_step == 2, "a step of both nets counts once"
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def play(
    generator: str, discriminator: str, adversary: str, *, channels: int = 3, conditional: bool = False
) -> None:
    """Two steps; both nets must move, and the generator by the adversary too."""
    net = build_net(generator, scale=SCALE, channels=channels, toy=True)
    judge = discriminator_toys.toy(discriminator, channels=channels, conditional=conditional)
    options = conf(adversary)
    model = game(net=net, discriminator=judge, loss=options.pop("loss"), adversary=options)
    before = vector(model.net), vector(judge)
    side = discriminator_toys.SIZES[discriminator]
    logged = two_steps(model, side, channels=channels)
    for start, moved in zip(before, (model.net, judge), strict=True):
        assert vector(moved).isfinite().all()
        assert not torch.equal(vector(moved), start)
    assert logged["health/share/adversarial"] > 0, "the generator did not feel the discriminator"
    assert logged["health/generator_norm"] > 0
    assert logged["health/discriminator_norm"] > 0
    assert logged["health/skipped"] == 0
    assert all(value == value for value in logged.values()), "not a number"


def test_there_is_something_to_play() -> None:
    assert len(DISCRIMINATORS) == 5
    assert len(ADVERSARIES) == 8
    assert len(OURS) >= 17
    assert len(THEIRS) >= 20


@pytest.mark.parametrize("adversary", ADVERSARIES)
@pytest.mark.parametrize("discriminator", DISCRIMINATORS)
@pytest.mark.parametrize("generator", OURS)
def test_every_game_of_ours(generator: str, discriminator: str, adversary: str) -> None:
    play(generator, discriminator, adversary)


@pytest.mark.parametrize("adversary", ADVERSARIES)
@pytest.mark.parametrize("discriminator", DISCRIMINATORS)
def test_conditional_and_with_other_bands(discriminator: str, adversary: str) -> None:
    play("srvgg_small", discriminator, adversary, channels=1, conditional=True)
    play("srvgg_small", discriminator, adversary, channels=5, conditional=True)


PAIRS = list(itertools.product(DISCRIMINATORS, ADVERSARIES))


@pytest.mark.parametrize("number", range(len(THEIRS)), ids=THEIRS)
def test_every_generator_of_spandrel_plays(number: int) -> None:
    # 7 and 40 have no common divisor: other pairs for each, and every discriminator and loss among them.
    play(THEIRS[number], *PAIRS[7 * number % len(PAIRS)])


@pytest.mark.slow
@pytest.mark.parametrize(("discriminator", "adversary"), PAIRS)
@pytest.mark.parametrize("generator", THEIRS)
def test_every_game_of_spandrels(generator: str, discriminator: str, adversary: str) -> None:
    play(generator, discriminator, adversary)
