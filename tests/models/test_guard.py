"""Bad steps are left out; a run of nothing else ends, and says where to start again."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sr_experiments.losses.adversarial import AdversarialLoss, Vanilla
from sr_experiments.models.guard import Diverged, Guard
from sr_experiments.models.watch import Watch
from tests.models.games import fit, game, judge, vector

pytestmark = [
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory"),
    pytest.mark.filterwarnings("ignore:Found .* in eval mode at the start"),
]


class Sometimes(nn.Module):
    """An absolute difference that is not a number at some calls, counted from 0."""

    def __init__(self, at: set[int], value: float = float("nan")) -> None:
        super().__init__()
        self.at, self.value, self.calls = at, value, -1

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        self.calls += 1
        distance = (sr - gt).abs().mean()
        return distance * self.value if self.calls in self.at else distance


def test_a_bad_step_is_left_out_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = game(pixel=Sometimes({1}))
    fit(model, tmp_path, steps=4)
    assert torch.isfinite(vector(model.net)).all()
    assert model.averaging is not None
    assert model.averaging.steps == 3
    assert (
        "batch 2: the gradient of the generator is nan, its l1 is not finite; the step is left out"
        in caplog.text
    )
    assert model.collect_notes() == ["1 steps were left out: their gradients were not finite"]


def test_the_step_of_a_bad_batch_among_several_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = game(pixel=Sometimes({0}), accumulate_grad_batches=3)
    fit(model, tmp_path, steps=2)
    assert "batch 3: the gradient of the generator is nan, its l1 is not finite" in caplog.text
    assert model.guard.total == 1


def test_the_discriminators_bad_step_is_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Vanilla):
        calls = 0

        def discriminator_formula(self, real: Tensor, fake: Tensor) -> Tensor:
            self.calls += 1
            value = super().discriminator_formula(real, fake)
            return value * float("inf") if self.calls == 2 else value

    model = game(loss=Broken())
    fit(model, tmp_path, steps=3)
    assert "batch 2: the gradient of the discriminator is nan, its loss is not finite" in caplog.text
    assert model.averaging is not None
    assert model.averaging.steps == 3, "the generator's steps are good"
    assert torch.isfinite(vector(model.adversary)).all()


def test_a_run_of_bad_steps_ends_with_the_last_good_checkpoint(tmp_path: Path) -> None:
    model = game(pixel=Sometimes(set(range(4, 99)), float("inf")), max_skipped=2)
    with pytest.raises(Diverged) as stop:
        fit(model, tmp_path, steps=4, epochs=3)
    text = str(stop.value)
    assert "training has diverged. batch 7: the gradient of the generator is" in text
    assert "its l1 is not finite, after 2 steps in a row that were left out" in text
    assert f"The last good checkpoint is {tmp_path / 'last.ckpt'}: init_from={tmp_path / 'last.ckpt'}" in text
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.isfinite(value).all() for value in saved.values())


def test_it_may_stop_at_the_first(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"batch 1: .* No checkpoint was written yet\. A lower optimizer\.lr"):
        fit(game(pixel=Sometimes({0}), max_skipped=0), tmp_path)
    with pytest.raises(ValueError, match=r"model\.max_skipped=-1: must be 0 \(stop at the first\) or more"):
        Guard(max_skipped=-1)


def test_a_good_step_starts_the_count_again(tmp_path: Path) -> None:
    model = game(pixel=Sometimes({0, 1, 3, 4}), max_skipped=2)
    fit(model, tmp_path, steps=6)
    assert model.guard.total == 4


def test_a_gradient_that_breaks_on_its_way_is_said() -> None:
    guard = Guard(max_skipped=0)
    guard.saw("generator", {"l1": torch.tensor(1.0)})
    with pytest.raises(Diverged, match="the gradient of the generator is inf, though each term is finite"):
        guard.bad("generator", batches=3, norm=torch.tensor(float("inf")), scaled=False, checkpoint="")


# ---- a game that is over


class Blind(AdversarialLoss):
    """A discriminator's loss that teaches nothing."""

    def discriminator_formula(self, real: Tensor, fake: Tensor) -> Tensor:
        return 0 * (real.mean() + fake.mean())

    def generator_formula(self, fake: Tensor, real: Tensor) -> Tensor:
        return -fake.mean()


class Saturating(Vanilla):
    """The first GAN's own form, log(1 - D): its gradient vanishes once the discriminator has won."""

    def generator_formula(self, fake: Tensor, real: Tensor) -> Tensor:
        return -nn.functional.softplus(fake).mean()


def watched(model: Any, tmp_path: Path, steps: int) -> list[str]:
    fit(model, tmp_path, steps=steps)
    notes: list[str] = model.watch.notes
    return notes


def test_a_dead_discriminator_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (note,) = watched(game(loss=Blind()), tmp_path, 12)
    assert note.startswith("batch 10: the discriminator is dead: it has no gradient any more")
    assert note in caplog.text


def test_a_discriminator_that_says_the_same_of_all_is_told(tmp_path: Path) -> None:
    flat = judge(spectral_norm=False)
    with torch.no_grad():
        for parameter in flat.parameters():
            parameter.zero_()
    model = game(discriminator=flat, discriminator_optimizer=partial(torch.optim.SGD, lr=1e-12))
    (note,) = watched(model, tmp_path, 12)
    assert "the discriminator is dead: it says the same of restored and true images" in note


def test_a_discriminator_that_has_won_is_told(tmp_path: Path) -> None:
    """Trained far ahead of a generator that hardly moves, by a loss that saturates."""
    model = game(
        loss=Saturating(),
        discriminator=judge(spectral_norm=False, width=16, layers=2),
        lr=1e-9,
        discriminator_rate=1e7,
        discriminator_steps=4,
        adversary={"weight": 1.0},
    )
    notes = watched(model, tmp_path, 60)
    assert len(notes) == 1
    assert "the discriminator has won: it is right about 100% of the images" in notes[0]


def test_a_fair_game_is_not_disturbed(tmp_path: Path) -> None:
    assert watched(game(), tmp_path, 14) == []


def test_it_waits_for_ten_measurements() -> None:
    watch = Watch()
    for batch in range(9):
        watch.saw(discriminator_norm=0.0, d_real=0.0, d_fake=0.0)
        watch.judge(batches=batch)
    assert watch.notes == []
