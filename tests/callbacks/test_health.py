"""health.png: what is collected and when, a run that is continued, a run that breaks off."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from sr_experiments.build import quieten_lightning
from sr_experiments.callbacks import health
from sr_experiments.callbacks.chart import Plot
from sr_experiments.callbacks.health import Health, plots_of
from sr_experiments.models.base import SRModel
from sr_experiments.nets.espcn import ESPCN

EPOCH = 6  # batches


class Player(SRModel):
    """Trains on nothing and logs what an adversarial training does, as functions of the batch."""

    def __init__(self, *, logs: bool = True, stops: tuple[int, BaseException] | None = None) -> None:
        super().__init__(ESPCN(scale=2, in_channels=1, features=2, mapped_features=2), ema=None)
        self.logs, self.stops = logs, stops

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        self.batches += 1
        if self.stops is not None and self.batches == self.stops[0]:
            raise self.stops[1]
        if self.logs:
            self.log("health/d_real", torch.tensor(self.batches / 10))
            self.log("health/generator_norm", torch.tensor(math.nan if self.batches == 4 else 1.0))
            self.log("train/loss", 7.0)
        return cast(Tensor, sum(parameter.sum() for parameter in self.net.parameters()))

    def validation_step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        return {}

    def on_validation_epoch_end(self) -> None:
        if self.logs:
            self.log("val/psnr_y", 20.0 + self.batches)
            self.log("val/lpips_random", 1.0 / (1 + self.batches))
            self.log("val/ssim_y", 0.5)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.0)


def play(
    folder: Path,
    model: Player,
    *,
    epochs: int = 2,
    every: int = 4,
    resume: Path | None = None,
    sanity: int = 0,
) -> tuple[Health, pl.Trainer]:
    """Train; the callback and the trainer afterwards."""
    quieten_lightning()
    callback = Health(folder, net_name="toy", note="x2")
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        log_every_n_steps=every,
        num_sanity_val_steps=sanity,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=str(folder),
    )
    data: Any = DataLoader(cast(Any, range(EPOCH)))
    trainer.fit(model, data, data, ckpt_path=None if resume is None else str(resume), weights_only=True)
    return callback, trainer


def same(rows: dict[str, Any], expected: dict[str, Any]) -> None:
    assert list(rows) == list(expected)
    for key, (steps, values) in expected.items():
        assert rows[key][0] == steps, key
        np.testing.assert_allclose(rows[key][1], values, rtol=1e-6)


EXPECTED = {
    "health/d_real": ([1, 4, 8, 12], [0.1, 0.4, 0.8, 1.2]),
    "health/generator_norm": ([1, 4, 8, 12], [1, math.nan, 1, 1]),
    "val/psnr_y": ([6, 12], [26, 32]),
    "val/lpips_random": ([6, 12], [1 / 7, 1 / 13]),
}


def test_values_are_read_as_often_as_they_are_logged(tmp_path: Path) -> None:
    """And at validations, but not at the check of it before training; then there is a picture."""
    callback, _ = play(tmp_path, Player(), sanity=1)
    same(callback.rows, EXPECTED)
    with Image.open(tmp_path / "health.png") as picture:
        assert picture.width == 1400


def test_a_continued_run_draws_its_beginning_too(tmp_path: Path) -> None:
    _, trainer = play(tmp_path / "first", Player(), epochs=1)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    state = next(value for key, value in content["callbacks"].items() if key.startswith("Health"))
    assert {type(number) for row in state["rows"].values() for numbers in row for number in numbers} == {
        float
    }
    callback, _ = play(tmp_path / "second", Player(), epochs=2, resume=tmp_path / "last.ckpt")
    same(callback.rows, EXPECTED)
    play(tmp_path / "whole", Player(), epochs=2)
    assert (tmp_path / "second" / "health.png").read_bytes() == (
        tmp_path / "whole" / "health.png"
    ).read_bytes()


def test_a_long_run_has_no_more_points_than_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first and the last stay; the state in a checkpoint grew by every value that was ever read."""
    monkeypatch.setattr(health, "_POINTS", 8)
    callback, _ = play(tmp_path, Player(), epochs=8, every=1)
    steps, values = callback.rows["health/d_real"]
    assert 4 <= len(steps) <= 8
    assert (steps[0], steps[-1]) == (1, 48)
    np.testing.assert_allclose(values, np.array(steps) / 10, rtol=1e-6)


def test_the_state_is_a_copy() -> None:
    """A checkpoint that is written later, in another thread, must not grow meanwhile."""
    callback = Health(Path(), net_name="toy")
    callback.rows = {"health/d_real": ([1.0], [2.0])}
    state = callback.state_dict()
    callback.rows["health/d_real"][0].append(3.0)
    assert state == {"rows": {"health/d_real": [[1.0], [2.0]]}}


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_a_run_that_breaks_off_is_drawn(kind: type[BaseException], tmp_path: Path) -> None:
    # Lightning ends the program at Ctrl-C once the callbacks have been told.
    with pytest.raises((kind, SystemExit)):
        play(tmp_path, Player(stops=(6, kind("at the sixth"))))
    assert (tmp_path / "health.png").is_file()


def test_what_broke_a_run_off_is_told_even_where_nothing_can_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "images").write_text("a file in the way", encoding="utf-8")
    with pytest.raises(ValueError, match="at the sixth"):
        play(tmp_path / "images", Player(stops=(6, ValueError("at the sixth"))))
    assert "health.png was not written: " in caplog.text


def test_nothing_collected_nothing_written(tmp_path: Path) -> None:
    callback, _ = play(tmp_path, Player(logs=False))
    assert callback.rows == {}
    assert list(tmp_path.glob("*.png")) == []


def test_without_logging_only_validations_are_collected(tmp_path: Path) -> None:
    callback, _ = play(tmp_path, Player(), every=0)
    assert list(callback.rows) == ["val/psnr_y", "val/lpips_random"]


def test_a_validation_on_its_own_is_no_training(tmp_path: Path) -> None:
    _, trainer = play(tmp_path, Player(), epochs=1)
    callback = cast(Health, cast(Any, trainer).callbacks[0])
    before = callback.state_dict()
    trainer.validate(Player(), DataLoader(cast(Any, range(2))), verbose=False)
    assert str(callback.state_dict()) == str(before)


def test_one_process_of_several_draws(tmp_path: Path) -> None:
    callback = Health(tmp_path, net_name="toy")
    callback.rows = {"health/d_real": ([1.0], [2.0])}
    for first in (False, True):
        callback.on_train_end(cast(Any, SimpleNamespace(is_global_zero=first)), Player())
        assert (tmp_path / "health.png").exists() is first


def test_every_group_has_its_plot_and_a_stranger_its_own() -> None:
    keys = {
        "health/d_real": 0.5,
        "health/d_fake": -0.5,
        "health/accuracy": 0.9,
        "health/generator_norm": 1e-3,
        "health/discriminator_norm": 10.0,
        "health/share/l1": 0.75,
        "health/share/adversarial": 0.25,
        "health/r1": 1.0,
        "health/gradient_penalty": 1.0,
        "health/weight": 5e-3,
        "health/skipped": 0.0,
        "val/psnr_bands": 30.0,
        "val/lpips_random": 0.1,
        "val/lpips": 0.1,
        "health/new": 1.0,
    }
    plots = plots_of({key: ([1.0, 2.0], [value, value]) for key, value in keys.items()})
    found = {plot.title: [curve.name for curve in plot.curves] for plot in plots}
    assert found == {
        "Mean output of the discriminator": ["true", "restored"],
        "Right decisions of the discriminator": ["of all images"],
        "Norm of the gradient": ["generator", "discriminator"],
        "Share of the generator's gradient": ["l1", "adversarial"],
        "R1 penalty": ["before its weight"],
        "Gradient penalty": ["before its weight"],
        "Weight of the adversary": ["weight"],
        "Steps left out": ["so far"],
        "Validation: PSNR": ["psnr_bands"],
        "Validation: LPIPS": ["lpips_random", "lpips"],
        "new": ["health/new"],
    }
    assert [plot.title for plot in plots if plot.log] == ["Norm of the gradient"]
    assert [plot.title for plot in plots if plot.fraction] == [
        "Right decisions of the discriminator",
        "Share of the generator's gradient",
    ]
    assert plots_of({"health/r1": ([1.0], [1.0])})[0].curves[0].values == [1.0]


def test_the_picture_names_the_net_and_says_that_it_is_a_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []

    def spy(plots: list[Plot], *, title: str) -> np.ndarray:
        titles.append(title)
        return np.zeros((1, 1, 3), np.uint8)

    monkeypatch.setattr(health, "draw_plots", spy)
    for note in ("x2, demo run", ""):
        callback = Health(tmp_path, net_name="toy", note=note)
        callback.rows = {"health/d_real": ([1.0], [2.0])}
        callback.on_train_end(cast(Any, SimpleNamespace(is_global_zero=True)), Player())
    assert titles == ["toy · health of the training · x2, demo run", "toy · health of the training"]
