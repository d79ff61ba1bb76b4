"""Between two rows of the log a step waits for nothing that the device computes.

The device is `meta`: it has shapes and no values, so whoever asks it for one is caught, by torch itself. What
a GPU's kernels do then, leaving bad steps out unasked, fused kernels do on the CPU as well.
"""

import importlib
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.accelerators import CPUAccelerator
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import IterableDataset

from sr_experiments.callbacks.health import Health
from sr_experiments.callbacks.speed import Speed
from sr_experiments.callbacks.stopping import Stopping
from sr_experiments.data.augment import Augmentation
from sr_experiments.losses.weighted import Term, WeightedSum
from sr_experiments.models.ema import Averaging
from sr_experiments.models.guard import Diverged, Guard
from sr_experiments.models.restoration import RestorationModel
from sr_experiments.models.schedule import Schedule
from sr_experiments.models.unasked import gradient_norm
from sr_experiments.nets.espcn import ESPCN
from sr_experiments.nets.srresnet import SRResNet
from tests.data.pictures import module
from tests.models.games import fit, game, vector

META = torch.device("meta")
FUSED = partial(torch.optim.Adam, lr=1e-3, fused=True)
pytestmark = [
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory"),
    pytest.mark.filterwarnings("ignore:Found .* in eval mode at the start"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:You defined a .validation_step. but have no"),
]


class Shapes(IterableDataset[dict[str, Tensor]]):
    """Batches without values, and without an end."""

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        while True:
            sides = {"gt": 64, "lq": 16}
            batch = {key: torch.rand(2, 3, side, side, device=META) for key, side in sides.items()}
            yield batch | {"position": torch.zeros(2, dtype=torch.int64, device=META)}


class NoValues(CPUAccelerator):
    """Lightning has no accelerator for `meta`."""

    def setup_device(self, device: torch.device) -> None:
        assert device == META


class OnMeta(SingleDeviceStrategy):
    """At the end nothing can be brought back; what Lightning would bring back is forgotten."""

    def __init__(self) -> None:
        super().__init__(device=META, accelerator=NoValues())

    def teardown(self) -> None:
        assert self.lightning_module is not None
        trainer = self.lightning_module.trainer
        trainer.fit_loop.epoch_loop._results.clear()
        trainer._logger_connector.reset_metrics()


class Begin(pl.Callback):
    """Forgets what was copied before the first step, such as the net."""

    def __init__(self, copies: "Copies") -> None:
        self.copies = copies

    def on_train_batch_start(self, trainer: pl.Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == 0:
            self.copies.found.clear()


class Copies(TorchDispatchMode):
    """Takes down what is copied to the device while the program waits."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        sources = [value for value in args if isinstance(value, Tensor)]
        comes = isinstance(result, Tensor) and result.device == META
        if func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default) and comes:
            waits = not ((kwargs or {}).get("non_blocking") or (len(args) > 2 and args[2]))
            if waits and any(source.device.type == "cpu" for source in sources):
                self.found.append(str(func))
        return result


class Made(TorchFunctionMode):
    """Takes down what is made on the device of Python's numbers, which no dispatch sees."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in (torch.tensor, torch.as_tensor) and result.device == META:
            self.found.append(func.__name__)
        return result


def train(model: Any, tmp_path: Path, *, steps: int = 4, **trainer: Any) -> list[str]:
    """Some steps in the midst of a long epoch, on the device without values; returns what was waited for."""
    copies = Copies()
    model.batches = 1  # the first batch is one that is logged
    made = pl.Trainer(
        strategy=OnMeta(),
        max_steps=steps,
        log_every_n_steps=1000,
        callbacks=[Speed(), Stopping(), Health(tmp_path, net_name="toy"), Begin(copies)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=str(tmp_path),
        **trainer,
    )
    with copies, Made(copies.found):
        made.fit(model, train_dataloaders=torch.utils.data.DataLoader(Shapes(), batch_size=None))
    assert made.global_step == steps
    return copies.found


@pytest.fixture(autouse=True)
def meta_is_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fused kernels know it, and torch does not list it; autocast does not know it."""
    optimizer = importlib.import_module("torch.optim.optimizer")
    monkeypatch.setattr(optimizer, "_get_fused_kernels_supported_devices", lambda: ["meta", "cpu"])
    autocast = torch.autocast
    monkeypatch.setattr(
        torch, "autocast", lambda kind, **how: autocast("cpu" if kind == "meta" else kind, **how)
    )


def restoration(optimizer: Any = FUSED, **options: Any) -> RestorationModel:
    cosine = partial(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=100)
    loss = WeightedSum(terms={"l1": Term(weight=1.0, loss=nn.L1Loss())})
    net = options.pop("net", None) or ESPCN(scale=4, in_channels=3)
    return RestorationModel(net, loss=loss, optimizer=optimizer, schedule=Schedule(cosine), **options)


MODELS: dict[str, Callable[[], Any]] = {
    "plain": restoration,
    "batch normalisation": lambda: restoration(net=SRResNet(scale=4, in_channels=3, features=4, blocks=1)),
    "clipped by the rate": lambda: restoration(clip_by_rate=1e-3),
    "no average": lambda: restoration(ema=None),
    "decay of weights": lambda: restoration(partial(torch.optim.AdamW, lr=1e-3, fused=True)),
    "game": lambda: game(optimizer=FUSED),
    "game with all": lambda: game(
        optimizer=FUSED,
        adversary={"r1": 1.0, "gradient_penalty": 1.0, "feature_matching": 1.0},
        gradient_clip_val=0.1,
        discriminator_steps=2,
        generator_every=2,
    ),
}


@pytest.mark.filterwarnings("ignore:Detected call of .lr_scheduler.step")  # the second step is none of both
@pytest.mark.parametrize("name", MODELS)
def test_nothing_waits_between_two_rows(name: str, tmp_path: Path) -> None:
    assert train(MODELS[name](), tmp_path) == []


def test_limits_of_the_trainer_do_not_wait(tmp_path: Path) -> None:
    assert train(restoration(), tmp_path, gradient_clip_val=0.1, accumulate_grad_batches=2) == []


def test_who_asks_is_caught(tmp_path: Path) -> None:
    """An optimizer that can not leave a step out by itself has to be asked before; so the proof can fail."""
    with pytest.raises(RuntimeError, match=r"item\(\) cannot be called on meta tensors"):
        train(restoration(partial(torch.optim.Adam, lr=1e-3)), tmp_path)


def test_a_number_that_is_logged_at_every_step_is_caught(tmp_path: Path) -> None:
    class Talks(RestorationModel):
        def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
            self.log("number", 1.0)
            return super().training_step(batch, batch_idx)

    talks = restoration()
    talks.__class__ = Talks
    assert len(train(talks, tmp_path)) == 4


def test_a_batch_is_finished_without_waiting() -> None:
    """Mirrors, turns, channels, mixtures: all is decided on the CPU."""
    data = module(augment=Augmentation(permute_rgb=0.5, mixup=0.3, cutmix=0.3))
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    there = {key: value.to(META) for key, value in batch.items()}
    with Copies() as copies, Made(copies.found):
        finished = data.finish(there, batch["position"])
    assert copies.found == []
    assert {key: value.shape for key, value in finished.items()} == {
        "gt": (4, 3, 32, 32),
        "lq": (4, 3, 8, 8),
    }


# ---- steps that are left out unasked


class Sometimes(nn.Module):
    """An absolute difference that is not a number at some calls, counted from 0."""

    def __init__(self, at: set[int]) -> None:
        super().__init__()
        self.at, self.calls = at, -1

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        self.calls += 1
        return (sr - gt).abs().mean() * (float("nan") if self.calls in self.at else 1.0)


@pytest.fixture(params=["asked", "unasked"])
def guards(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The CPU as it is, and as if it were a device that runs ahead."""
    if request.param == "unasked":
        monkeypatch.setattr(Guard, "runs_ahead", ("cpu",))
    way: str = request.param
    return way


def rare(tmp_path: Path, bad: set[int], *, steps: int = 8, **options: Any) -> Any:
    """A game that is logged every third step."""
    model = game(pixel=Sometimes(bad), optimizer=FUSED, **options)
    fit(model, tmp_path, steps=steps, trainer={"log_every_n_steps": 3})
    return model


def test_both_ways_leave_the_same_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends, told = [], []
    for devices in ((), ("cpu",)):
        monkeypatch.setattr(Guard, "runs_ahead", devices)
        caplog.clear()
        model = rare(tmp_path / str(len(devices)), {1, 2, 5})
        ends.append(model)
        told.append([record.message for record in caplog.records if "left out" in record.message])
    asked, unasked = ends
    assert torch.equal(vector(asked.net), vector(unasked.net))
    assert torch.equal(vector(asked.adversary), vector(unasked.adversary))
    torch.testing.assert_close(vector(asked.ema), vector(unasked.ema), rtol=0, atol=1e-6)
    assert asked.averaging.steps == unasked.averaging.steps == 5
    assert asked.collect_notes() == unasked.collect_notes()
    assert told[0] == told[1]
    assert [line.split(":")[0] for line in told[0]] == ["batch 2", "batch 3", "batch 6"]
    states = [torch.load(tmp_path / way / "last.ckpt", weights_only=True) for way in ("0", "1")]
    for one, other in zip(*(state["optimizer_states"] for state in states), strict=True):
        for key, kept in one["state"].items():
            assert all(torch.equal(value, other["state"][key][name]) for name, value in kept.items())


@pytest.mark.usefixtures("guards")
def test_a_limit_holds_however_late_it_is_seen(tmp_path: Path) -> None:
    rare(tmp_path, {2, 3, 5, 6}, max_skipped=2)
    with pytest.raises(Diverged, match=r"batch 5: .* its l1 is not finite, after 2 steps in a row"):
        rare(tmp_path, {2, 3, 4}, max_skipped=2)


@pytest.mark.usefixtures("guards")
def test_no_checkpoint_is_written_of_steps_that_nobody_has_looked_at(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"batch 4: .* No checkpoint was written yet"):
        rare(tmp_path, {3}, steps=4, max_skipped=0)
    assert not (tmp_path / "last.ckpt").exists()


def test_the_average_of_steps_that_were_left_out_is_the_closed_form() -> None:
    """In float64: as if they had not been; counters too."""
    average, net = (nn.BatchNorm1d(2).double() for _ in range(2))
    averaging, expected, steps = Averaging(0.9), 1.0, 0
    for step in range(150):
        made = step % 3 != 1
        with torch.no_grad():
            net.weight.fill_(step % 7)
        assert net.num_batches_tracked is not None
        net.num_batches_tracked.fill_(step)
        averaging.update(average, net, made=torch.tensor(made))
        if made:
            decay = min(0.9, (1 + steps) / (10 + steps))
            expected, steps = decay * expected + (1 - decay) * (step % 7), steps + 1
    assert averaging.steps == steps == 100
    torch.testing.assert_close(
        average.weight.detach(), torch.full((2,), expected, dtype=torch.float64), rtol=0, atol=1e-12
    )
    assert average.num_batches_tracked == 149


# ---- what is told


class Rows(Logger):
    """Keeps rows."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []

    @property
    def name(self) -> str:
        return "rows"

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        pass

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self.rows.append(dict(metrics))


class Stop(pl.Callback):
    """Ends the run after a batch, as a limit of time does."""

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *args: Any) -> None:
        trainer.should_stop = module.batches == 8


def logged(folder: Path, *, every: int) -> list[dict[str, float]]:
    model = game(adversary={"r1": 1.0, "penalty_every": 4}, generator_every=2)
    rows = Rows()
    options = {"log_every_n_steps": every, "logger": rows, "callbacks": [Stop()]}
    fit(model, folder, steps=5, epochs=2, trainer=options | {"enable_checkpointing": False})
    return rows.rows


def test_rows_are_those_of_a_run_that_logs_each_step(tmp_path: Path) -> None:
    """The last value of each key in this epoch; also of the row that is due because the run is ended."""
    each, some = logged(tmp_path, every=1), logged(tmp_path, every=3)
    assert len(each) == 8
    for row, batch in zip(some, (3, 6, 8), strict=True):
        losses = {key: value for key, value in each[batch - 1].items() if not key.startswith("health/")}
        assert losses == {key: value for key, value in row.items() if not key.startswith("health/")}
    assert some[0]["health/r1"] == each[0]["health/r1"], "of the first step, whose penalty is the last"
    assert some[2]["health/d_real"] == each[7]["health/d_real"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_norm_of_a_gradient_is_torchs(dtype: torch.dtype) -> None:
    random = torch.Generator().manual_seed(0)
    shapes = [(64, 1, 9, 9), (64,), (32, 64, 5, 5), (1,), ()]
    gradients = [torch.randn(shape, generator=random, dtype=torch.float64).to(dtype) for shape in shapes]
    found = gradient_norm(gradients)
    assert found.dtype == dtype
    assert torch.equal(found, torch.nn.utils.get_total_norm(gradients))
    exact = math.sqrt(sum(float((g.double() ** 2).sum()) for g in gradients))
    assert float(found) == pytest.approx(exact, rel={torch.bfloat16: 1e-2}.get(dtype, 1e-6))
    for bad in (math.inf, math.nan):
        gradients[2][0, 0, 0, 0] = bad
        assert not gradient_norm(gradients).isfinite()
    assert gradient_norm([]) == 0
