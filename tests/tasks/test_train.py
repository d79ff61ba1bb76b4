"""The main job, end to end on toy sizes."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from sr_experiments.models.base import CHECKPOINT_KEY
from sr_experiments.nets.weights import read_state_dict
from tests.tasks.runs import photographs, run, toy_config


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photographs(tmp_path_factory.mktemp("photographs"))


def weights(folder: Path, name: str = "last.ckpt") -> dict[str, torch.Tensor]:
    content = torch.load(folder / "checkpoints" / name, weights_only=True)
    return {key: value for key, value in content["state_dict"].items() if key.startswith("net.")}


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_a_run_leaves_what_the_house_promises(root: Path, tmp_path: Path) -> None:
    record = run(root, tmp_path, "trainer.max_epochs=2")
    assert record["status"] == "finished"
    assert (record["demo"], record["model"], record["scale"], record["seed"]) == (False, "toy", 2, 0)
    assert (record["steps"], record["batches"]) == (4, 4)
    assert record["parameters"] > 0
    assert {"samples_per_second", "wall_seconds", "versions", "git", "notes"} <= record.keys()
    metrics = record["metrics"]["folder"]
    assert {"psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "bicubic"} <= metrics.keys()
    assert metrics["psnr_y"] < metrics["bicubic"]["psnr_y"], "of four steps nothing else can be hoped for"
    assert [note for note in record["notes"] if "more steps are the usual cure" in note]
    config = OmegaConf.load(tmp_path / "config.yaml")
    assert config.net.scale == 2, "interpolations are resolved"
    with (tmp_path / "per_image.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["data set"] for row in rows] == ["folder"] * len(rows)
    mean = np.mean([float(row["psnr_y"]) for row in rows])
    assert mean == pytest.approx(metrics["psnr_y"], abs=1e-9)
    mean = np.mean([float(row["bicubic/ssim_y"]) for row in rows])
    assert mean == pytest.approx(metrics["bicubic"]["ssim_y"], abs=1e-9)
    with (tmp_path / "metrics.csv").open(encoding="utf-8") as file:
        logged = set(next(csv.reader(file)))
    assert {"train/loss", "train/loss/l1", "train/learning_rate", "val/psnr_y", "step", "epoch"} <= logged
    pictures = list((tmp_path / "images").glob("*.png"))
    assert len(pictures) == len(rows)
    with Image.open(pictures[0]) as picture:
        assert picture.width > 3 * 96


def test_a_checkpoint_is_safe_to_open_and_enough_to_rebuild(root: Path, tmp_path: Path) -> None:
    run(root, tmp_path)
    for name in ("best.ckpt", "last.ckpt"):
        content = torch.load(tmp_path / "checkpoints" / name, weights_only=True)
        ours = content[CHECKPOINT_KEY]
        assert (ours["batches"], ours["average_steps"]) == (2, 2)
        assert OmegaConf.create(ours["config"]) == OmegaConf.load(tmp_path / "config.yaml")
        assert {key.partition(".")[0] for key in content["state_dict"]} == {"net", "ema"}


def test_the_best_weights_are_tested_and_they_are_the_average(root: Path, tmp_path: Path) -> None:
    """The table must show what best.ckpt restores, not what training ended with."""
    from hydra.utils import instantiate

    from sr_experiments.imaging.io import read_image
    from sr_experiments.imaging.resize import imresize_uint8
    from sr_experiments.metrics.protocol import image_metrics

    # A rate that soon destroys the net: the first epoch is the best.
    record = run(root, tmp_path, "trainer.max_epochs=3", "optimizer.lr=3.0", "data.held_out=1")
    config = OmegaConf.load(tmp_path / "config.yaml")
    net = instantiate(config.net)
    net.load_state_dict(read_state_dict(tmp_path / "checkpoints" / "best.ckpt"))
    gt = torch.from_numpy(read_image(root / "3.png")).permute(2, 0, 1)[None]
    with torch.no_grad():
        sr = net(imresize_uint8(gt, scale=0.5).float() / 255)
    expected = float(image_metrics(sr, gt.float() / 255, scale=2)["psnr_y"])
    assert record["metrics"]["folder"]["psnr_y"] == pytest.approx(expected, abs=1e-3)
    with (tmp_path / "metrics.csv").open(encoding="utf-8") as file:
        found = [float(row["val/psnr_y"]) for row in csv.DictReader(file) if row["val/psnr_y"]]
    assert max(found) == pytest.approx(expected, abs=1e-3)
    assert found[-1] < max(found), "the test can fail: the last weights are worse"


def test_the_same_seed_repeats_and_another_differs(root: Path, tmp_path: Path) -> None:
    """Seed 0 is a seed: where it stood for "none given", runs a and b would differ."""
    for name, overrides in {"a": [], "b": [], "c": ["seed=1"], "d": ["data.workers=2"]}.items():
        run(root, tmp_path / name, *overrides)
    first = weights(tmp_path / "a")
    assert equal(first, weights(tmp_path / "b"))
    assert equal(first, weights(tmp_path / "d")), "the number of workers changes nothing"
    other = weights(tmp_path / "c")
    assert not any(torch.equal(first[key], other[key]) for key in first)


def test_accumulating_batches_equals_a_larger_batch(root: Path, tmp_path: Path) -> None:
    run(root, tmp_path / "a", "data.batch_size=4", "precision=64-true")
    record = run(
        root, tmp_path / "b", "data.batch_size=2", "trainer.accumulate_grad_batches=2", "precision=64-true"
    )
    assert (record["steps"], record["batches"]) == (2, 4), "budgets count optimizer steps"
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    for key in a:
        torch.testing.assert_close(a[key], b[key], rtol=0, atol=1e-9)


@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_precision_and_clipping(root: Path, tmp_path: Path, precision: str) -> None:
    record = run(root, tmp_path, f"precision={precision}", "trainer.gradient_clip_val=0.1")
    assert record["precision"] == precision
    assert np.isfinite(record["metrics"]["folder"]["psnr_y"])


@pytest.mark.parametrize("model", ["nearest", "bicubic"])
def test_a_net_without_parameters_is_tested_as_it_is(root: Path, tmp_path: Path, model: str) -> None:
    record = run(root, tmp_path, model=model)
    metrics = record["metrics"]["folder"]
    assert record["steps"] == 0
    assert "has no parameters: there was nothing to train" in record["notes"][0]
    if model == "bicubic":
        assert metrics["psnr_y"] == pytest.approx(metrics["bicubic"]["psnr_y"], abs=1e-3)
    else:
        assert metrics["psnr_y"] < metrics["bicubic"]["psnr_y"]


def test_every_optimizer_and_schedule_trains(root: Path, tmp_path: Path) -> None:
    from tests.conftest import ROOT

    for group in ("optimizer", "schedule"):
        for path in sorted((ROOT / "conf" / group).glob("*.yaml")):
            record = run(root, tmp_path / path.stem, f"{group}={path.stem}", "optimizer.lr=1e-4")
            assert record["status"] == "finished"
    record = run(
        root,
        tmp_path / "warm",
        "schedule=cosine",
        "schedule.warmup=1",
        "model.ema=null",
        "trainer.max_epochs=2",
    )
    assert record["status"] == "finished"


def test_grey_luma_and_bands_train(root: Path, tmp_path: Path) -> None:
    import tifffile

    record = run(root, tmp_path / "luma", "channels=1")
    assert set(record["metrics"]["folder"]) == {"psnr_y", "ssim_y", "bicubic"}
    bands = tmp_path / "bands"
    bands.mkdir()
    for index in range(3):
        image = np.random.default_rng(index).integers(0, 65535, (40, 48, 5), dtype=np.uint16)
        tifffile.imwrite(bands / f"{index}.tif", image, photometric="minisblack", planarconfig="contig")
    record = run(bands, tmp_path / "out", "channels=5", "schedule=plateau")
    assert set(record["metrics"]["folder"]) == {"psnr_bands", "ssim_bands", "bicubic"}


def test_a_random_degradation_trains(root: Path, tmp_path: Path) -> None:
    record = run(root, tmp_path, "degradation=blur_downscale", "degradation.steps.blur.kernel_size=[7,7]")
    assert record["status"] == "finished"


def test_a_run_is_not_overwritten(root: Path, tmp_path: Path) -> None:
    run(root, tmp_path)
    before = (tmp_path / "run.json").read_text(encoding="utf-8")
    with pytest.raises(FileExistsError, match="already holds a run"):
        run(root, tmp_path)
    assert (tmp_path / "run.json").read_text(encoding="utf-8") == before


def test_a_failed_run_says_so(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"smaller than data\.patch_size=64"):
        run(root, tmp_path, "data.patch_size=64")
    record = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert record["status"] == "failed"
    assert "smaller than data.patch_size=64" in record["error"]


def test_a_folder_that_is_not_there_is_told_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody waited two minutes for "does not exist", while settings for speed were tried and compiled."""

    def too_early(*_: object, **__: object) -> None:
        raise AssertionError("the settings are chosen before the files are looked at")

    monkeypatch.setattr("sr_experiments.tasks.train.settle", too_early)
    with pytest.raises(ValueError, match=r"the folder .*nowhere does not exist\n"):
        run(tmp_path / "nowhere", tmp_path / "run")


def test_a_clock_ends_a_run_and_it_is_said(root: Path, tmp_path: Path) -> None:
    record = run(root, tmp_path, "data.steps_per_epoch=100000", "trainer.max_time='00:00:00:02'")
    assert record["status"] == "finished"
    assert 0 < record["batches"] < 100000
    assert (
        f"training ended after {record['batches']} of 100000 batches: trainer.max_time=00:00:00:02"
        in record["notes"][0]
    )
    assert record["metrics"]["folder"]["psnr_y"] > 0


# ---- losses that need weights ----


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without cached weights and without a network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch_home"))

    def offline(*_: Any, **__: Any) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr("torch.hub.download_url_to_file", offline)


@pytest.mark.usefixtures("no_weights")
def test_a_demo_goes_on_with_random_features_and_says_so(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = run(root, tmp_path / "run", "loss=perceptual", "data.demo=true")
    assert record["demo"]
    assert any("random" in note for note in record["notes"])
    assert any("demo run" in note for note in record["notes"])
    text = capsys.readouterr().out
    assert "DEMO RUN" in text
    assert "random" in text
    keys = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert not [key for key in keys if "loss" in key], "feature extractors are never in a checkpoint"


@pytest.mark.usefixtures("no_weights")
def test_another_run_stops(root: Path, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"vgg19-dcbb9e9d\.pth") as caught:
        run(root, tmp_path / "run", "loss=perceptual")
    from sr_experiments.mistakes import user_message

    message = user_message(caught.value)
    assert message is not None
    assert "weights=" in message


# ---- transfer ----


def test_it_starts_from_a_run_a_checkpoint_and_a_file(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(root, tmp_path / "a")
    checkpoint = tmp_path / "a" / "checkpoints" / "best.ckpt"
    plain = tmp_path / "plain.pth"
    torch.save({"params": read_state_dict(checkpoint)}, plain)
    expected = read_state_dict(checkpoint)
    for index, source in enumerate([tmp_path / "a", checkpoint, plain]):
        with caplog.at_level("INFO"):
            still = ["optimizer=sgd", "optimizer.lr=0.0", "schedule=constant"]
            run(root, tmp_path / str(index), f"init_from='{source}'", *still)
        loaded = read_state_dict(tmp_path / str(index) / "checkpoints" / "last.ckpt")
        assert all(torch.equal(loaded[key], expected[key]) for key in expected)
    assert f"{len(expected)} tensors loaded" in caplog.text


def test_across_scales_it_reports_what_did_not_fit(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(root, tmp_path / "a", model="edsr_baseline")
    with caplog.at_level("INFO"):
        record = run(
            root,
            tmp_path / "b",
            f"init_from='{tmp_path / 'a'}'",
            "scale=3",
            "data.patch_size=15",
            model="edsr_baseline",
        )
    assert record["status"] == "finished"
    assert "skipped tail.0.0.weight" in caplog.text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "absent", "there is no such run, checkpoint or weight file"),
        (lambda folder: folder, "a folder without checkpoints/best.ckpt or last.ckpt, so not a run of ours"),
    ],
)
def test_a_source_that_is_none(root: Path, tmp_path: Path, make: Any, message: str) -> None:
    with pytest.raises(FileNotFoundError, match=message):
        run(root, tmp_path / "run", f"init_from='{make(tmp_path)}'")


def test_weights_of_another_net_are_refused(root: Path, tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="nothing in it fits"):
        run(root, tmp_path / "run", f"init_from='{tmp_path / 'other.pth'}'")


def test_the_config_of_a_toy_is_checked(root: Path) -> None:
    with pytest.raises(ValueError, match="no argument 'nonsense'"):
        toy_config(root, "+net.nonsense=1")
