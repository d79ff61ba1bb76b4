"""The game of two nets: who moves when, by what, and what is known to go wrong with it unnoticed."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor, nn

from sr_experiments.losses.adversarial import RelativisticAverage, Vanilla, Wasserstein
from sr_experiments.losses.adversary import Pair
from sr_experiments.models.freeze import frozen
from sr_experiments.models.gan import GANModel
from sr_experiments.models.schedule import Schedule
from sr_experiments.nets.espcn import ESPCN
from tests.models.games import fit, game, judge, vector

pytestmark = [
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory"),
    pytest.mark.filterwarnings("ignore:Found .* in eval mode at the start"),  # the moving average
]


def gradients(net: nn.Module) -> list[Tensor]:
    return [parameter.grad for parameter in net.parameters() if parameter.grad is not None]


def pair(side: int = 32, *, dtype: torch.dtype = torch.float32) -> Pair:
    generator = torch.Generator().manual_seed(0)
    gt, sr = (torch.rand(2, 3, side, side, generator=generator, dtype=dtype) for _ in range(2))
    return Pair(sr.requires_grad_(), gt, None, torch.arange(2))


# ---- who feels what


def test_a_gradient_reaches_the_generator_through_the_discriminator_only() -> None:
    """A discriminator pass without gradients, as under inference mode, leaves the adversary unfelt."""
    model = game()
    images = pair()
    with frozen(model.adversary.discriminator):
        terms = model.adversary.for_generator(images, step=0)
        terms["adversarial"][1].backward()
    assert images.sr.grad is not None
    assert float(images.sr.grad.norm()) > 0
    assert not gradients(model.adversary.discriminator)


@pytest.mark.parametrize("loss", [Vanilla(), RelativisticAverage()])
def test_in_its_step_the_discriminator_alone_gets_a_gradient(loss: Any) -> None:
    model = game(loss=loss)
    images = pair()
    model.adversary.for_discriminator(images, step=0)[0].backward()
    assert images.sr.grad is None
    assert all(float(g.norm()) > 0 for g in gradients(model.adversary.discriminator) if g.ndim > 1)


def test_the_frozen_are_released_after_an_exception() -> None:
    net = judge()
    fixed = next(net.parameters()).requires_grad_(False)

    def halfway() -> None:
        assert not any(parameter.requires_grad for parameter in net.parameters())
        raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"), frozen(net):
        halfway()
    assert not fixed.requires_grad, "what needed no gradient before needs none now"
    assert all(p.requires_grad for p in net.parameters() if p is not fixed)


class Failing(nn.Module):
    """Raises in a later step."""

    calls = 0

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        self.calls += 1
        if self.calls == 3:
            raise RuntimeError("in the middle of a step")
        return (sr - gt).abs().mean()


def test_a_step_that_raises_leaves_nothing_frozen(tmp_path: Path) -> None:
    model = game(pixel=Failing())
    with pytest.raises(RuntimeError, match="in the middle of a step"):
        fit(model, tmp_path)
    assert all(parameter.requires_grad for parameter in model.adversary.parameters())


def test_without_its_gradient_the_generator_does_not_feel_the_adversary(tmp_path: Path) -> None:
    """The same run with another weight of the adversary ends elsewhere; the adversary counts."""
    ends = []
    for weight in (1e-6, 1.0):
        model = game(adversary={"weight": weight})
        fit(model, tmp_path)
        ends.append(vector(model.net))
    assert not torch.allclose(ends[0], ends[1], atol=1e-4)


# ---- who moves when


class Counting(torch.optim.Adam):
    """Counts its steps."""

    steps = 0

    def step(self, closure: Any = None) -> Any:
        self.steps += 1
        return super().step(closure)


def played(
    tmp_path: Path, *, steps: int = 6, epochs: int = 1, **options: Any
) -> tuple[GANModel, Any, list[int]]:
    """A model after its game, its trainer, and both optimizers' steps."""
    model = game(optimizer=partial(Counting, lr=1e-3), **options)
    trainer = fit(model, tmp_path, steps=steps, epochs=epochs)
    return model, trainer, [getattr(one, "steps") for one in trainer.optimizers]  # noqa: B009


def test_two_optimizers_do_not_halve_the_budget(tmp_path: Path) -> None:
    """Lightning counts every wrapped step: of 12 batches 6 were trained, checkpoints came twice as often."""
    model, trainer, moved = played(tmp_path, steps=6, epochs=2)
    assert moved == [12, 12]
    assert model.batches == 12
    assert trainer.global_step == 12
    assert model.averaging is not None
    assert model.averaging.steps == 12


@pytest.mark.parametrize(
    ("options", "moved"),
    [
        ({"discriminator_steps": 3}, [6, 18]),
        ({"generator_every": 3}, [2, 6]),
        ({"generator_every": 4, "discriminator_steps": 2}, [2, 12]),
        ({"adversary": {"start": 4}}, [6, 2]),
        ({"adversary": {"start": 3}, "generator_every": 3}, [4, 3]),
    ],
)
def test_both_move_as_often_as_asked(options: dict[str, Any], moved: list[int], tmp_path: Path) -> None:
    assert played(tmp_path, **options)[2] == moved


@pytest.mark.parametrize("options", [{}, {"discriminator_steps": 2}, {"generator_every": 2}])
def test_accumulation_is_counted_once(options: dict[str, Any], tmp_path: Path) -> None:
    model, trainer, (generator, discriminator) = played(tmp_path, accumulate_grad_batches=3, **options)
    assert model.batches == 18, "an epoch is steps, not batches"
    assert discriminator == 6 * options.get("discriminator_steps", 1)
    assert generator == 6 // options.get("generator_every", 1)
    assert trainer.global_step == generator


def test_before_its_start_there_is_no_adversary(tmp_path: Path) -> None:
    """Its weights stay, and the generator's are those of a run without one."""
    ends = []
    for loss in (Vanilla(), Wasserstein()):
        model = game(loss=loss, adversary={"start": 4})
        before = vector(model.adversary)
        fit(model, tmp_path, steps=4)
        assert torch.equal(before, vector(model.adversary))
        ends.append(vector(model.net))
    assert torch.equal(*ends)


def test_its_weight_rises_from_its_start() -> None:
    adversary = game(adversary={"start": 2, "ramp": 4}).adversary
    assert [adversary.share(step) for step in range(8)] == [0, 0, 0.25, 0.5, 0.75, 1, 1, 1]


def test_schedules_follow_the_run(tmp_path: Path) -> None:
    """Both advance once a step of the run, also where the generator rests; a late one from its start."""
    schedule = Schedule(partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.5))
    trainer = fit(
        game(schedule=schedule, generator_every=2, adversary={"start": 2}, discriminator_rate=4.0, lr=1.0),
        tmp_path,
        steps=6,
    )
    rates = [optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers]
    assert rates == [2.0**-6, 4 * 2.0**-4]


def test_schedules_of_epochs(tmp_path: Path) -> None:
    schedule = Schedule(partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.5), interval="epoch")
    trainer = fit(game(schedule=schedule, lr=1.0), tmp_path, steps=2, epochs=3)
    assert [optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers] == [0.125, 0.125]


def test_the_discriminator_may_have_an_optimizer_of_its_own(tmp_path: Path) -> None:
    model = game(discriminator_optimizer=partial(torch.optim.SGD, lr=0.5))
    trainer = fit(model, tmp_path, steps=1)
    kinds = [type(optimizer).__name__ for optimizer in trainer.optimizers]
    assert kinds == ["Adam", "SGD"]
    owned = {id(p) for group in trainer.optimizers[1].param_groups for p in group["params"]}
    assert owned == {id(p) for p in model.adversary.discriminator.parameters()}


# ---- spectral norm, accumulation


def power_vectors(net: nn.Module) -> list[Tensor]:
    """Of layers with more than one output: the vector of a single one is 1 for ever."""
    found = [buffer.clone() for name, buffer in net.named_buffers() if name.endswith("_u")]
    return [vector for vector in found if len(vector) > 1]


def test_spectral_norms_vector_moves(tmp_path: Path) -> None:
    """A discriminator left in evaluation mode never iterates: its weights are normed by what they were."""
    model = game()
    before = power_vectors(model.adversary)
    fit(model, tmp_path, steps=1)
    after = power_vectors(model.adversary)
    assert before
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    "options", [{}, {"discriminator_steps": 2}, {"adversary": {"r1": 1.0, "weight": 0.1}}]
)
def test_accumulation_equals_a_larger_batch(options: dict[str, Any], tmp_path: Path) -> None:
    """With spectral norm too, because its vectors move once a step and not once a pass."""
    ends = []
    for batch_size, batches in ((4, 1), (2, 2), (1, 4)):
        torch.manual_seed(0)
        model = game(accumulate_grad_batches=batches, gradient_clip_val=0.1, **options)
        fit(model, tmp_path, steps=3, batch_size=batch_size, trainer={"precision": "64-true"})
        ends.append((vector(model.net), vector(model.adversary)))
    for other in ends[1:]:
        for mine, theirs in zip(ends[0], other, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize("algorithm", ["norm", "value"])
def test_gradients_of_both_are_clipped(algorithm: Any, tmp_path: Path) -> None:
    limit = 1e-3
    model = game(
        gradient_clip_val=limit,
        gradient_clip_algorithm=algorithm,
        optimizer=partial(torch.optim.SGD, lr=1.0),
        ema=None,
    )
    nets = (model.net, model.adversary.discriminator)
    before = [vector(net) for net in nets]
    fit(model, tmp_path, steps=1)
    for net, start in zip(nets, before, strict=True):
        moved = vector(net) - start
        found = moved.norm() if algorithm == "norm" else moved.abs().max()
        assert float(found) == pytest.approx(limit, rel=1e-2)


# ---- precision, compilation


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true", "32-true"])
def test_precision(precision: str, tmp_path: Path) -> None:
    model = game(adversary={"r1": 1.0, "gradient_penalty": 1.0, "feature_matching": 1.0})
    before = [vector(net) for net in (model.net, model.adversary)]
    fit(model, tmp_path, steps=2, trainer={"precision": precision})
    for net, start in zip((model.net, model.adversary), before, strict=True):
        assert torch.isfinite(vector(net)).all()
        assert not torch.equal(vector(net).float(), start)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # Dynamo looks at every input's
@pytest.mark.usefixtures("fresh_compiler")
def test_compiled_nets_train_as_they_do_uncompiled(tmp_path: Path) -> None:
    ends = []
    for compiled in (False, True):
        model = game()
        if compiled:
            model.net.compile(backend="aot_eager")
            model.adversary.discriminator.compile(backend="aot_eager")
        fit(model, tmp_path, steps=3)
        ends.append((vector(model.net), vector(model.adversary)))
    for mine, theirs in zip(*ends, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-6)


def test_every_batch_tells_its_whole_health(tmp_path: Path) -> None:
    """Norms were logged in the hook that measures them.

    Lightning then began anew in the first batch of each epoch and lost all that the step had logged before.
    """
    told = []

    class Listener(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
            told.append({key for key in trainer.callback_metrics if not key.endswith("_epoch")})

    kept = ModelCheckpoint(tmp_path, save_last=True)
    model = game(adversary={"r1": 1.0, "feature_matching": 1.0})
    fit(model, tmp_path, steps=2, epochs=2, trainer={"callbacks": [Listener(), kept]})
    first = {f"health/{name}" for name in ("d_real", "d_fake", "accuracy", "r1", "weight", "skipped")}
    first |= {f"health/{side}_norm" for side in ("generator", "discriminator")}
    first |= {f"health/share/{name}" for name in ("l1", "adversarial", "feature_matching")}
    first |= {"train/loss", "train/loss/l1", "train/loss/adversarial", "train/loss/discriminator"}
    assert len(told) == 4
    for keys in told:
        assert first <= keys


def test_a_checkpoint_holds_both_nets_and_opens_safely(tmp_path: Path) -> None:
    model = game()
    fit(model, tmp_path, steps=1)
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert len(content["optimizer_states"]) == 2
    assert {key.split(".")[0] for key in content["state_dict"]} >= {"net", "ema", "adversary"}


@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_a_run_continues_where_it_stopped(interval: Any, tmp_path: Path) -> None:
    """Killed in the middle of the second epoch and continued: equal to the bit."""
    halve = partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.5)

    class Killed(Exception):
        pass

    class Kill(nn.Module):
        def __init__(self, at: int) -> None:
            super().__init__()
            self.left = at

        def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
            self.left -= 1
            if self.left < 0:
                raise Killed
            return (sr - gt).abs().mean()

    options: dict[str, Any] = {
        "adversary": {"start": 2, "ramp": 6, "r1": 1.0, "penalty_every": 2},
        "generator_every": 2,
        "schedule": Schedule(halve, interval=interval),
    }
    whole = game(**options)
    fit(whole, tmp_path / "a", steps=4, epochs=3)
    first = game(pixel=Kill(5), **options)
    with pytest.raises(Killed):
        fit(first, tmp_path / "b", steps=4, epochs=3)
    second = game(seed=7, **options)
    trainer = fit(second, tmp_path / "b", steps=4, epochs=3, resume=tmp_path / "b" / "last.ckpt")
    assert second.batches == whole.batches == 12
    mine, theirs = whole.state_dict(), second.state_dict()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    contents = [torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("a", "b")]
    for one, other in zip(*(content["optimizer_states"] for content in contents), strict=True):
        for key, state in one["state"].items():
            assert all(torch.equal(value, other["state"][key][name]) for name, value in state.items())
    assert trainer.global_step > 0


def test_impossible_counts_are_refused() -> None:
    for option in ("discriminator_steps", "generator_every"):
        with pytest.raises(ValueError, match=rf"model\.{option}=0: must be 1 or more"):
            game(**dict[str, Any]({option: 0}))
    with pytest.raises(ValueError, match=r"model\.discriminator_rate=0: must be positive"):
        game(discriminator_rate=0)
    with pytest.raises(ValueError, match=r"adversary\.ramp=-1: must be 0 or more"):
        game(adversary={"ramp": -1})
    with pytest.raises(ValueError, match=r"adversary\.penalty_every=0: must be 1 \(every step\) or more"):
        game(adversary={"penalty_every": 0})
    with pytest.raises(ValueError, match="the generator would never feel it"):
        game(adversary={"weight": 0.0})


def test_a_net_of_another_scale_is_a_generator_too(tmp_path: Path) -> None:
    fit(game(net=ESPCN(scale=2, in_channels=3)), tmp_path, steps=1, scale=2, patch_size=32)
