"""What only a GPU can show. Without one all of this is skipped; `make gpu` runs it where there is one."""

import csv
import io
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from rich.console import Console

from sr_experiments.build import build_data, build_model, build_trainer
from sr_experiments.callbacks.progress import ProgressBar
from sr_experiments.metrics.protocol import image_metrics
from sr_experiments.models.restoration import RestorationModel
from sr_experiments.tasks.train import train
from sr_experiments.tuning.choices import settle
from tests.tasks.runs import photographs, run, toy_config
from tests.test_conf import composed

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.filterwarnings("default"),  # torch says more than one thing on a GPU
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
GPU = ("trainer=gpu", "data.steps_per_epoch=8", "trainer.max_epochs=2", "precision=32-true")
GAN = ("loss=gan", "discriminator=patchgan", "discriminator.width=4", "discriminator.layers=1")
CUDA = torch.device("cuda")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Photographs; and convolutions without TF32, which has 10 bits."""
    monkeypatch.setenv("SR_CACHE_DIR", str(tmp_path / "cache"))
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield photographs(tmp_path / "photographs", side=64)
    torch.backends.cudnn.allow_tf32 = before


def losses(folder: Path) -> list[float]:
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        return [float(row["train/loss"]) for row in csv.DictReader(file) if row.get("train/loss")]


def weights(folder: Path) -> dict[str, Any]:
    content = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True, map_location="cpu")
    return dict(content["state_dict"])


# ---- nobody waits


class Watch(pl.Callback):
    """From the third batch to the last but one torch raises where the program waits for the device."""

    def __init__(self) -> None:
        self.watched = 0

    def on_train_batch_start(self, trainer: pl.Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == 2:
            torch.cuda.set_sync_debug_mode("error")

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.watched += torch.cuda.get_sync_debug_mode() == 2
        if batch_idx == 37:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize(
    "more",
    [
        ("model=espcn",),
        ("model=edsr_baseline", "degradation=real_esrgan"),
        ("model=edsr_baseline", "degradation=bsrgan"),
        ("model=edsr_baseline", "compile=true"),
        ("model=edsr_baseline", "compile=reduce-overhead"),
        ("model=edsr_baseline", "data.cache=device"),
        ("model=edsr_baseline", "trainer.gradient_clip_val=0.1", "trainer.accumulate_grad_batches=2"),
        ("model=edsr_baseline", *GAN),
        ("model=edsr_baseline", *GAN, "compile=reduce-overhead"),
    ],
    ids=" ".join,
)
def test_nobody_waits_for_the_device(more: tuple[str, ...], root: Path, tmp_path: Path) -> None:
    """torch's own watchman, over all that a run does between two rows of its log."""
    kind, *others = more
    long = ("data.steps_per_epoch=40", "trainer.max_epochs=1", "trainer.log_every_n_steps=1000")
    config = toy_config(root, "trainer=gpu", *long, *others, model=kind.removeprefix("model="))
    choices, watch = settle(config), Watch()
    model = build_model(config, choices=choices)
    trainer = build_trainer(config, tmp_path / "run", model=model)
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]  # set without declaring it
    for callback in callbacks:
        if isinstance(callback, ProgressBar):  # drawn at every step
            callback.console, callback.refresh_seconds = Console(file=io.StringIO(), force_terminal=True), 0.0
    callbacks.append(watch)
    try:
        trainer.fit(model, datamodule=build_data(config))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert watch.watched >= 35


def test_who_waits_is_caught(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the proof above can fail."""
    step = RestorationModel.training_step
    monkeypatch.setattr(
        RestorationModel, "training_step", lambda *given: step(*given) + 0 * float(given[1]["gt"].mean())
    )
    with pytest.raises(RuntimeError, match="synchronizing"):
        test_nobody_waits_for_the_device(("model=espcn",), root, tmp_path)


# ---- the same numbers


@pytest.mark.parametrize("more", [(), GAN], ids=str)
def test_a_gpu_trains_as_a_cpu_does(more: tuple[str, ...], root: Path, tmp_path: Path) -> None:
    """In float64, so that only the order of sums differs; nothing is drawn on the device."""
    told = {}
    for kind in ("cpu", "gpu"):
        given = (*GPU, *more, f"trainer={kind}", "precision=64-true")
        told[kind] = run(root, tmp_path / kind, *given, model="edsr_baseline")
    assert losses(tmp_path / "gpu") == pytest.approx(losses(tmp_path / "cpu"), rel=1e-5)
    (cpu, gpu) = (dict(one["metrics"].popitem()[1]) for one in told.values())
    assert gpu["psnr_y"] == pytest.approx(cpu["psnr_y"], abs=1e-4)
    assert gpu["bicubic"] == pytest.approx(cpu["bicubic"], abs=1e-6)


@pytest.mark.parametrize(
    "more", [(), GAN, ("data.cache=device", "compile=true"), ("degradation=real_esrgan",)], ids=str
)
def test_a_run_repeats_to_the_bit_and_continues_so(
    more: tuple[str, ...], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = (*GPU, "trainer.deterministic=true", *more)
    for name in ("one", "again"):
        run(root, tmp_path / name, *given, model="edsr_baseline")
    step = RestorationModel.on_train_batch_start

    def stop(model: Any, batch: Any, batch_idx: int) -> None:
        if model.batches == 11:
            signal.raise_signal(signal.SIGTERM)
        step(model, batch, batch_idx)

    config = toy_config(root, *given, model="edsr_baseline")
    with monkeypatch.context() as patch:
        patch.setattr(RestorationModel, "on_train_batch_start", stop)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "stopped")
    train(config, tmp_path / "stopped", resume=True)
    whole = weights(tmp_path / "one")
    for name in ("again", "stopped"):
        assert losses(tmp_path / name) == losses(tmp_path / "one")
        other = weights(tmp_path / name)
        assert all(torch.equal(value, other[key]) for key, value in whole.items())


@pytest.mark.parametrize("more", [(), GAN, ("data.augment.mixup=0.5",)], ids=str)
def test_graphs_change_nothing(more: tuple[str, ...], root: Path, tmp_path: Path) -> None:
    """Of compiled kernels, recorded or not, every one is the same."""
    for mode in ("false", "true", "reduce-overhead"):
        run(root, tmp_path / mode, *GPU, *more, f"compile={mode}", model="edsr_baseline")
    eager, compiled, graphs = (losses(tmp_path / mode) for mode in ("false", "true", "reduce-overhead"))
    assert len(graphs) == 16
    assert graphs == pytest.approx(compiled, rel=1e-5)
    assert graphs == pytest.approx(eager, rel=1e-3)


def test_a_graph_draws_anew(root: Path, tmp_path: Path) -> None:
    """Dropout in a graph that is replayed: its numbers must be those of each batch."""
    torch.manual_seed(0)
    net = torch.compile(torch.nn.Dropout(0.5), mode="reduce-overhead")
    ones, seen = torch.ones(1000, device=CUDA, requires_grad=True), []
    for number in (0, 1, 2, 3, 1):
        torch.cuda.manual_seed(number)
        made = net(ones)
        made.sum().backward()
        seen.append(made.detach().clone())
    assert torch.equal(seen[1], seen[4])
    assert not torch.equal(seen[2], seen[3])


@pytest.mark.parametrize(
    "name", ["bicubic", "blur_downscale", "classical", "bsrgan", "real_esrgan", "camera"]
)
def test_degradations_agree(name: str) -> None:
    """What is drawn on the device (noise) is not the CPU's; all else is, and the mean of what is not."""
    degradation = instantiate(composed(f"degradation={name}", "scale=4").degradation)
    gt = torch.nn.functional.avg_pool2d(torch.rand(16, 3, 200, 200), 9, 1, 4)
    positions = torch.arange(16)
    cpu = degradation(gt, seed=0, positions=positions)
    degradation.to(CUDA)
    gpu = degradation(gt.to(CUDA), seed=0, positions=positions)
    again = degradation(gt.to(CUDA), seed=0, positions=positions)
    assert torch.equal(gpu, again)
    assert gpu.device.type == "cuda"
    far = (gpu.cpu() - cpu).abs()
    if name == "bicubic":  # nothing is drawn on the device
        assert far.max() <= 1.01 / 255
        assert (far > 1e-4).double().mean() < 1e-3, "a level that was at the edge"
    assert (gpu.cpu().mean((1, 2, 3)) - cpu.mean((1, 2, 3))).abs().max() < 0.03


def test_metrics_are_those_of_the_cpu() -> None:
    gt = torch.rand(2, 3, 97, 130)
    sr = (gt + 0.05 * torch.randn_like(gt)).clamp(0, 1)
    cpu, gpu = image_metrics(sr, gt, scale=4), image_metrics(sr.to(CUDA), gt.to(CUDA), scale=4)
    for name, value in cpu.items():
        assert gpu[name].cpu() == pytest.approx(value, abs=1e-6), name


def test_what_a_gpu_chooses_for_a_long_run(root: Path) -> None:
    """Everything is tried that can be, and the same is chosen again."""
    config = toy_config(
        root, "trainer=gpu", "data.steps_per_epoch=10000", "trainer.max_epochs=1000", model="edsr_baseline"
    )
    chosen = settle(config)
    assert chosen == settle(config)
    assert chosen.fused
    assert chosen.benchmark
    assert "compiled into CUDA graphs: compiling takes" in chosen.reason
