"""The data module: what it refuses, and what Lightning makes of it."""

import copy
import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from sr_experiments.data.datamodule import SRData
from sr_experiments.data.dataset import Batch, TrainSet
from sr_experiments.data.demo import Demo
from sr_experiments.data.pack import Pack
from sr_experiments.data.sources import Folder, Joined, Paired
from sr_experiments.data.store import Store
from sr_experiments.degradations.bicubic import Bicubic
from sr_experiments.imaging.io import read_image, to_tensor
from sr_experiments.imaging.random import name_position
from tests.conftest import benchmark_dir
from tests.data.pictures import STILL, TRAIN, blind, cut_short, folder, module, write
from tests.models.test_hot_loop import META, Copies, Made

# Lightning 2.6 with torch 2.15.
pytestmark = pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning")
FORKED = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded, use of fork:DeprecationWarning",
    "ignore:This DataLoader will create",
)


class Recorder(pl.LightningModule):
    """Trains one number, counts batches as our models do, and remembers what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.batches = 0
        self.seen: list[Batch] = []
        self.evaluated: list[Batch] = []
        self.sums: list[float] = []

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.batches += 1
        self.seen.append(batch)
        loss: Tensor = (batch["lq"].mean() * self.weight - batch["gt"].mean()).square().sum()
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.evaluated.append(batch)

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.evaluated.append({**batch, "loader": dataloader_idx})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["batches"] = self.batches

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.batches = checkpoint["batches"]


def trainer(folder: Path, **options: Any) -> pl.Trainer:
    defaults = {
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": 2,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": False,
        "default_root_dir": str(folder),
    }
    return pl.Trainer(**{**defaults, **options})


# ---- with Lightning


def test_batches_of_a_run(tmp_path: Path) -> None:
    model, data = Recorder(), module()
    trainer(tmp_path, accumulate_grad_batches=2).fit(model, datamodule=data)
    # 2 epochs of 6 optimizer steps of 2 batches of 4 samples
    assert [p for batch in model.seen for p in batch["position"].tolist()] == list(range(2 * 6 * 2 * 4))
    for batch in model.seen:
        assert set(batch) == {"gt", "lq", "position"}
        assert batch["gt"].shape == (4, 3, 32, 32)
        assert batch["lq"].shape == (4, 3, 8, 8)
        assert batch["gt"].dtype == batch["lq"].dtype == torch.float32
        assert batch["gt"].is_contiguous()
        assert 0 <= batch["gt"].min() <= batch["gt"].max() <= 1
    assert [batch["name"] for batch in model.evaluated] == [["chelsea"]] * 2
    first = model.evaluated[0]
    assert set(first) == {"gt", "lq", "index", "name", "grey"}
    assert first["gt"].shape == (1, 3, 300, 448)
    assert first["lq"].shape == (1, 3, 75, 112)
    assert (first["index"].tolist(), first["grey"]) == ([0], False)


class StopAt(pl.Callback):
    """Write a checkpoint in the middle of an epoch and stop there."""

    def __init__(self, batch: int, path: Path) -> None:
        self.batch, self.path = batch, path

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step == self.batch:
            trainer.save_checkpoint(self.path)
            trainer.should_stop = True
            raise KeyboardInterrupt


@FORKED
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [6, 9, 12])
def test_a_run_that_is_killed_continues_with_the_batches_it_would_have_had(
    tmp_path: Path, workers: int, stop: int
) -> None:
    """Incident: a plain loader starts its epoch again after a resume, a stateful one loses the next epoch."""
    whole = Recorder()
    trainer(tmp_path, max_epochs=4).fit(whole, datamodule=module(degradation=blind(4)))

    path = tmp_path / "last.ckpt"
    killed = Recorder()
    with pytest.raises(SystemExit):
        trainer(tmp_path, max_epochs=4, callbacks=[StopAt(stop, path)]).fit(
            killed, datamodule=module(degradation=blind(4), workers=workers)
        )
    assert killed.batches == stop
    continued = Recorder()
    data = module(degradation=blind(4), workers=workers)
    trainer(tmp_path, max_epochs=4).fit(continued, datamodule=data, ckpt_path=str(path), weights_only=True)
    both = killed.seen + continued.seen
    assert len(both) == len(whole.seen) == 24
    for x, y in zip(whole.seen, both, strict=True):
        assert all(torch.equal(x[key], y[key]) for key in ("gt", "lq", "position"))
    assert torch.equal(whole.weight, continued.weight)


def test_another_length_of_epochs_does_not_change_the_stream(tmp_path: Path) -> None:
    model = Recorder()
    model.batches = 7  # such as after a checkpoint of which only the weights were taken
    trainer(tmp_path, max_epochs=2).fit(model, datamodule=module(steps_per_epoch=5))
    assert [p for batch in model.seen for p in batch["position"].tolist()] == list(range(28, 28 + 40))


def test_test_sets_have_names_and_loaders(tmp_path: Path) -> None:
    tests = {"one": Demo(names=["coffee", "rocket"]), "two": Demo(names=["camera"])}
    model, data = Recorder(), module(test=tests)
    trainer(tmp_path).test(model, datamodule=data, verbose=False)
    assert data.test_names == ["one", "two"]
    assert [(b["loader"], b["name"][0], int(b["index"])) for b in model.evaluated] == [
        (0, "coffee", 0),
        (0, "rocket", 1),
        (1, "camera", 0),
    ]
    assert [bool(b["grey"]) for b in model.evaluated] == [False, False, True]
    assert [data.image_names(name) for name in data.test_names] == [["coffee", "rocket"], ["camera"]]


def test_without_test_sets_the_validation_images_are_tested(tmp_path: Path) -> None:
    model, data = Recorder(), module(name="mine")
    run = trainer(tmp_path)
    run.fit(model, datamodule=data)
    run.test(model, datamodule=data, verbose=False)
    assert data.test_names == ["mine"]
    assert data.image_names("mine") == ["chelsea"]
    assert model.evaluated[-1]["loader"] == 0
    assert torch.equal(model.evaluated[-1]["lq"], model.evaluated[0]["lq"])


def test_validation_alone_needs_no_training_images(tmp_path: Path) -> None:
    model, data = Recorder(), module(train=Folder(root="missing", scale=4), val=Demo(names=["coffee"]))
    trainer(tmp_path).validate(model, datamodule=data, verbose=False)
    assert [batch["name"] for batch in model.evaluated] == [["coffee"]]


@FORKED
def test_an_unreadable_file_stops_the_run_and_is_named_also_from_a_worker(tmp_path: Path) -> None:
    """Incident: frameworks that read another image instead train for days on half of a data set."""
    folder(tmp_path / "images", ["a", "b", "c", "d", "e", "f"])
    broken = cut_short(tmp_path / "images" / "b.png")
    for workers in (0, 1):
        data = module(root=str(tmp_path / "images"), cache="none", workers=workers, held_out=1)
        with pytest.raises(ValueError, match=re.escape(f"cannot read the image {broken}: ")):
            trainer(tmp_path).fit(Recorder(), datamodule=data)


def test_with_a_cache_an_unreadable_file_is_named_before_the_first_step(tmp_path: Path) -> None:
    folder(tmp_path / "images", ["a", "b", "c"])
    broken = cut_short(tmp_path / "images" / "a.png")
    model = Recorder()
    with pytest.raises(ValueError, match=re.escape(f"cannot read the image {broken}: ")):
        trainer(tmp_path).fit(model, datamodule=module(root=str(tmp_path / "images")))
    assert model.batches == 0


# ---- images


def test_a_folder_of_photographs_is_all_that_is_needed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder(tmp_path, [f"{i}" for i in range(10)])
    data = module(root=str(tmp_path), val_root=None, held_out=2)
    with caplog.at_level(logging.INFO):
        data.setup("fit")
    assert caplog.messages[0] == "held out for validation: the last 2 of 10 images, 8 to 9"
    assert len(data.library["train"]) == 8
    assert [batch["name"] for batch in data.val_dataloader()] == [["8"], ["9"]]


def test_pairs_are_used_as_they_are(tmp_path: Path) -> None:
    for name in "abcdef":
        write(tmp_path / "gt" / f"{name}.png", 64, 64)
        write(tmp_path / "lq" / f"{name}x4.png", 16, 16)
    data = module(gt=str(tmp_path / "gt"), lq=str(tmp_path / "lq"), patch_size=64, augment=STILL)
    data.setup("fit")
    loader = data.train_dataloader()
    assert isinstance(loader.dataset, TrainSet)
    batch = data.on_after_batch_transfer(next(iter(loader)), 0)
    for row in range(len(batch["position"])):
        name = data.library["train"].items[loader.dataset.plan.order.images_at(batch["position"])[row]].name
        assert torch.equal(batch["lq"][row], to_tensor(read_image(tmp_path / "lq" / f"{name}x4.png")))
        assert torch.equal(batch["gt"][row], to_tensor(read_image(tmp_path / "gt" / f"{name}.png")))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_set5_is_evaluated_from_matlabs_files_and_ours_are_the_same(scale: int) -> None:
    published = Folder(root=str(benchmark_dir("Set5")), scale=scale)
    hr = Folder(root=str(benchmark_dir("Set5", "HR", f"x{scale}")), scale=scale)
    original = Folder(root=str(benchmark_dir("Set5", "original")), scale=scale)
    data = module(scale=scale, test={"published": published, "ours": hr, "uncropped": original})
    data.setup("test")
    sets = [list(loader) for loader in data.test_dataloader()]
    for files, ours, uncropped in zip(*sets, strict=True):
        assert files["name"] == ours["name"] == uncropped["name"]
        for key in ("gt", "lq"):
            np.testing.assert_array_equal(files[key], ours[key])
            np.testing.assert_array_equal(files[key], uncropped[key])


def test_published_lr_is_not_used_for_another_degradation(tmp_path: Path) -> None:
    write(tmp_path / "HR" / "a.png", 64, 64)
    write(tmp_path / "LR" / "x4" / "a.png", 16, 16)
    source = Folder(root=str(tmp_path), scale=4)
    files, made = module(test={"a": source}), module(test={"a": source}, degradation=blind(4))
    found = []
    for data in (files, made):
        data.setup("test")
        found.append(data.on_after_batch_transfer(next(iter(data.test_dataloader()[0])), 0))
    assert torch.equal(found[0]["lq"][0], to_tensor(read_image(tmp_path / "LR" / "x4" / "a.png")))
    expected = blind(4)(found[1]["gt"], seed=0, positions=torch.tensor([name_position("a")]))
    assert torch.equal(found[1]["lq"], expected)


def test_random_evaluation_is_the_same_for_every_seed() -> None:
    small = []
    for seed in (0, 1):
        data = module(degradation=blind(4), seed=seed)
        data.setup("validate")
        small.append(next(iter(data.val_dataloader()))["lq"])
    assert torch.equal(*small)


def test_several_sets_are_joined() -> None:
    train = Joined(sources=[Demo(names=["coffee"]), Demo(names=["rocket"])])
    data = module(train=train, val=Demo(names=["chelsea"]))
    data.setup("fit")
    assert [item.name for item in data.library["train"].items] == ["coffee", "rocket"]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["camera", "coffee"])
def test_grey_and_colour_in_runs_of_one_and_three_channels(channels: int, name: str) -> None:
    data = module(train=Demo(names=[name]), val=Demo(names=[name]), channels=channels)
    data.setup("fit")
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert batch["gt"].shape == (4, channels, 32, 32)
    assert next(iter(data.val_dataloader()))["grey"] is (name == "camera")


# ---- memory and workers


def test_the_cache_is_chosen_by_what_is_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[str, float, Path]] = []
    answers = iter(["none", "disk", "memory"])

    def answer(cache: str, needed: float, folder: Path, **facts: Any) -> str:
        asked.append((cache, needed, folder))
        return next(answers)

    monkeypatch.setattr("sr_experiments.data.library.choose_cache", answer)
    options = {"train": Demo(names=["coffee"]), "val": Demo(names=["chelsea"]), "cache_dir": str(tmp_path)}
    data = [module(cache="auto", **options) for _ in range(3)]
    for each in data:
        each.setup("fit")
    assert asked == [("auto", (600 * 400 + 451 * 300) * 3 * (1 + 1 / 16), tmp_path)] * 3
    assert [each.library["train"].decoded for each in data] == [False, True, True]
    kept: list[Any] = [each.library["train"] for each in data]
    assert [type(images._cache) for images in kept[1:]] == [Pack, Store]


def test_automatic_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr_experiments.data.threads.cores", lambda: 1)
    decoding, cropping = module(workers="auto", cache="none"), module(workers="auto", cache="memory")
    for data in (decoding, cropping):
        data.setup("fit")
    assert decoding.train_dataloader().num_workers == 1
    assert decoding.val_dataloader().num_workers == 1
    assert cropping.train_dataloader().threads == cropping.train_dataloader().num_workers == 0
    assert not cropping.train_dataloader().pin_memory
    monkeypatch.setattr(SRData, "_on_gpu", lambda self: True)
    monkeypatch.setattr("sr_experiments.data.threads.cores", lambda: 64)
    assert cropping._worker_count(cropping.library["train"]) == 4
    assert cropping._pins_memory()


def test_a_degradation_follows_its_batch_to_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A data module is no nn.Module: Lightning does not move what it holds."""
    data = module(degradation=blind(4))
    data.setup("fit")
    moved: list[torch.device] = []
    monkeypatch.setattr(data.degradation, "to", moved.append)
    image = torch.zeros(2, 32, 32, 3, dtype=torch.uint8)
    data.on_after_batch_transfer({"gt": image, "position": torch.arange(2)}, 0)
    assert moved == [image.device]


def test_a_batch_goes_to_the_device_without_waiting() -> None:
    """Positions that went along would have to be asked back: the device has shapes and no values."""
    data = module()
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    with Copies() as copies, Made(copies.found):
        ready = data.on_after_batch_transfer(data.transfer_batch_to_device(batch, META, 0), 0)
    assert copies.found == []
    assert {key: value.device for key, value in ready.items()} == dict.fromkeys(
        ("position", "gt", "lq"), META
    )


# ---- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch_size": 30}, "data.patch_size=30 is not a multiple of scale=4; choose 28 or 32"),
        ({"patch_size": 3}, "data.patch_size=3 is not a multiple of scale=4; choose 4 or 8"),
        ({"batch_size": 0}, "data.batch_size=0 must be 1 or more"),
        ({"steps_per_epoch": 0}, "data.steps_per_epoch=0 must be 1 or more"),
        ({"channels": 0}, "data.channels=0 must be 1 or more"),
        ({"workers": -1}, "data.workers=-1 must be 0 or more, or auto"),
        ({"cache": "tape"}, "data.cache=tape must be auto, memory, disk, device or none"),
        ({"degradation": Bicubic(scale=2)}, "the degradation shrinks by 2, but scale=4"),
        (
            {"gt": "a", "lq": "b", "degradation": blind(4)},
            "pairs bring their own lq images, so a random degradation would not be used: leave it at "
            "degradation=bicubic, or train with data=folder",
        ),
        (
            {"test": {"pairs": Paired(gt="a", lq="b", scale=4)}, "degradation": blind(4)},
            "pairs bring their own lq images",
        ),
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_refused_before_a_file_is_touched(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        module(**options)


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    folder(tmp_path / "train", ["good", "small"], height=40, width=40)
    write(tmp_path / "train" / "small.png", 31, 40)
    (tmp_path / "train" / "broken.png").write_bytes(b"nothing")
    write(tmp_path / "HR" / "tiny.png", 18, 40)
    write(tmp_path / "LR" / "x4" / "tiny.png", 4, 9)
    missing = tmp_path / "missing"
    data = module(
        train=Folder(root=str(tmp_path / "train"), scale=4),
        val=Folder(root=str(missing), scale=4),
        test={"first": Folder(root=str(tmp_path), scale=4), "second": Folder(root=str(missing), scale=4)},
    )
    with pytest.raises(ValueError, match="does not exist") as caught:
        data.check()
    assert str(caught.value).splitlines() == [
        f"cannot read the image {tmp_path}/train/broken.png: it is no PNG, JPEG, BMP, WebP or TIFF, or "
        "its header is broken",
        f"{tmp_path}/train/small.png is 31x40 (height x width), smaller than data.patch_size=32",
        f"the folder {missing} does not exist",
        f"{tmp_path}/HR/tiny.png is 18x40 (height x width), too small to be measured: each side needs "
        "19 pixels",
        "Images are read from the folder itself or from HR/ in it, published small ones from LR/x2/, LR/x3/, "
        "... Sets are looked for under data_dir=FOLDER or SR_DATA_DIR, and task=prepare fetches published "
        "ones (data/README.md)",
    ]


def test_a_pair_of_wrong_sizes_is_named_before_training(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / "gt" / f"{name}.png", 66, 64)  # cropped to 64x64
        write(tmp_path / "lq" / f"{name}.png", 16, 16)
    write(tmp_path / "lq" / "b.png", 17, 16)
    data = module(gt=str(tmp_path / "gt"), lq=str(tmp_path / "lq"))
    text = (
        f"{tmp_path}/lq/b.png is 17x16 (height x width), but {tmp_path}/gt/b.png is 66x64, "
        "which needs 16x16 at scale=4"
    )
    with pytest.raises(ValueError, match=re.escape(text)):
        data.setup("fit")


def test_a_missing_benchmark_is_told_before_training_not_after() -> None:
    data = module(test={"set5": Folder(root="nowhere/Set5", scale=4)})
    with pytest.raises(ValueError, match="the folder nowhere/Set5 does not exist"):
        data.setup("fit")


def test_a_checked_file_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    data = module(cache="none")
    data.check()
    monkeypatch.setattr("sr_experiments.data.stock.inspect", lambda *a, **k: pytest.fail("looked again"))
    data.setup("fit")
    data.setup("test")


def test_the_module_can_be_copied() -> None:
    """Lightning's spawned processes get a copy."""
    data = module(train=Demo(names=TRAIN), val=Demo(names=["chelsea"]))
    data.setup("fit")
    other = copy.deepcopy(data)
    x, y = (next(iter(d.train_dataloader())) for d in (data, other))
    assert torch.equal(x["gt"], y["gt"])
