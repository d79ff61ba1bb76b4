"""Runs with a guide: trained, tested, continued, evaluated; disparity by colour from scikit-image's wheel."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from torch import Tensor

from sr_experiments.build import build_data, build_model
from sr_experiments.check import check
from sr_experiments.config import register
from sr_experiments.models.base import SRModel
from sr_experiments.models.onnx_net import OnnxNet
from sr_experiments.models.restoration import RestorationModel
from sr_experiments.tasks.evaluate import evaluate
from sr_experiments.tasks.train import train
from tests.conftest import ROOT
from tests.typed import typed

SMALL = [
    "experiment=guided_disparity_x8",
    "name=toy",
    "trainer=cpu",
    "net.features=4",
    "data.batch_size=2",
    "data.patch_size=48",
    "data.steps_per_epoch=2",
    "trainer.max_epochs=2",
    "trainer.log_every_n_steps=1",
    "callbacks.images.count=1",
]


def config(*overrides: str) -> DictConfig:
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        composed = compose("config", overrides=[*SMALL, *overrides])
    check(composed)
    return composed


def run(folder: Path, *overrides: str) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    train(config(*overrides), folder)
    record: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return record


def weights(folder: Path) -> dict[str, Tensor]:
    content = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    return {key: value for key, value in content["state_dict"].items() if isinstance(value, Tensor)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("guided") / "run"
    return folder, run(folder)


def test_a_run_is_trained_and_tested(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, record = finished
    assert record["status"] == "finished"
    assert record["demo"]
    assert record["multiply_adds"] > 0
    (found,) = record["metrics"].values()
    assert set(found) == {"psnr_16", "ssim_16", "rmse", "bicubic"}
    # The two say the same: PSNR is over the range of 64 pixels of disparity.
    assert found["rmse"] == pytest.approx(64 * 10 ** (-found["psnr_16"] / 20), rel=1e-3)
    assert not any("guide" in note for note in record["notes"])
    assert (folder / "images" / "stereo-right.png").is_file()


def test_the_numbers_are_those_of_measured_pixels(finished: tuple[Path, dict[str, Any]]) -> None:
    """Against scikit-image's own arrays: bicubic's error in the held-out columns, where it was measured."""
    from skimage import data

    from sr_experiments.data.holes import filled
    from sr_experiments.imaging.resize import imresize

    disparity = data.stereo_motorcycle()[2][:496, 576:736]
    levels = np.where(np.isfinite(disparity), np.floor(disparity / 64 * 65535 + 0.5), 0).astype(np.uint16)
    # The last four rows are cut off after holes are filled, and none of these is beside one.
    gt = torch.from_numpy(filled(levels[:, :, None], name="")[:, :, 0] / 65535.0)[None, None]
    lq = imresize(gt, size=(62, 20))
    sr = imresize(lq.float().double(), size=(496, 160)).clamp(0, 1)
    inside = (slice(8, -8), slice(8, -8))
    known = torch.from_numpy(np.isfinite(disparity))[inside]
    error = 64 * (sr - gt)[0, 0][inside][known].square().mean().sqrt().item()
    bicubic = finished[1]["metrics"]["stereo"]["bicubic"]
    assert bicubic["rmse"] == pytest.approx(error, abs=2e-3)
    assert bicubic["psnr_16"] == pytest.approx(30.28, abs=0.01)


def test_the_same_net_without_a_guide_says_so(tmp_path: Path) -> None:
    record = run(tmp_path / "run", "guide_channels=0", "trainer.max_epochs=1")
    assert (
        "guide_channels=0: no guide; the net sees details of the enlarged lq in its place" in record["notes"]
    )


def test_it_repeats_to_the_bit(finished: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """Whoever reads. That it continues as exactly is among the scenarios of test_resume.py."""
    folder, record = finished
    again = run(tmp_path / "again", "data.workers=2", "data.cache=disk", f"data_dir={tmp_path}")
    assert again["metrics"] == record["metrics"]
    one, other = weights(folder), weights(tmp_path / "again")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_checkpoint_is_evaluated_with_its_guide(
    finished: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, record = finished
    evaluate(config(), tmp_path / "whole", checkpoint=str(folder))
    evaluate(
        config(), tmp_path / "tiles", checkpoint=str(folder), tile=24, tile_overlap=9, self_ensemble=False
    )
    found = [
        json.loads((tmp_path / name / "run.json").read_text(encoding="utf-8"))["metrics"]["stereo"]
        for name in ("whole", "tiles")
    ]
    assert found[0] == record["metrics"]["stereo"]
    assert found[1]["psnr_16"] == pytest.approx(found[0]["psnr_16"], abs=1e-4)


def test_it_upscales_as_a_run_as_weights_and_as_a_graph(
    finished: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One disparity map by its photograph: exported, each file used as it is."""
    from skimage import data

    from sr_experiments.imaging.io import read_image, write_png

    monkeypatch.chdir(tmp_path)
    left, _, disparity = data.stereo_motorcycle()
    known = np.isfinite(disparity)[100:196:8, 200:360:8]
    levels = np.where(known, disparity[100:196:8, 200:360:8] / 64 * 65535, 0)
    assert 0 < (~known).sum() < known.size / 2
    write_png(Path("d/moto.png"), levels.astype(np.uint16)[:, :, None])
    write_png(Path("c/moto.png"), left[100:196, 200:360])
    formats = "format=safetensors,pth,onnx"
    assert typed(monkeypatch, "task=export", f"checkpoint={finished[0]}", formats, "output=net") == 0
    plain = "model=guided scale=8 channels=1 guide_channels=3 net.features=4 data.holes=true"
    lines = {
        "run": [f"checkpoint={finished[0]}"],
        "safetensors": ["checkpoint=net/toy-x8.safetensors"],
        "pth": [*plain.split(), "checkpoint=net/toy-x8.pth"],
        "onnx": ["checkpoint=net/toy-x8.onnx"],
    }
    found = {}
    for name, words in lines.items():
        given = ["task=upscale", *words, "input=d", "guide=c", f"output=out/{name}", "trainer=cpu"]
        assert typed(monkeypatch, *given) == 0
        found[name] = read_image(Path("out", name, "moto_x8.png")).astype(np.int64)
    assert found["run"].shape == (96, 160, 1)
    assert len(np.unique(found["run"])) > 256
    assert np.array_equal(found["run"][:, :, 0] == 0, ~known.repeat(8, axis=0).repeat(8, axis=1))
    assert found["run"][found["run"] > 0].min() > 5000, "no black has come near: they were filled for the net"
    for name in ("safetensors", "pth"):
        assert np.array_equal(found[name], found["run"])
    assert np.abs(found["onnx"] - found["run"]).max() <= 7  # 1e-4 of white
    net = OnnxNet(Path("net/toy-x8.onnx"))
    assert (net.scale, net.in_channels, net.guide_channels) == (8, 1, 3)
    assert (net.range, net.holes) == ([0.0, 64.0], True)
    card = Path("net/model_card.md").read_text(encoding="utf-8")
    assert "it takes a guide, the same scene by another sensor" in card
    assert "Protocol range: " in card
    assert "task=upscale checkpoint=toy-x8.safetensors input=IMAGES guide=GUIDES output=FOLDER" in card


def test_one_trained_without_is_evaluated_without(tmp_path: Path) -> None:
    record = run(tmp_path / "run", "guide_channels=0", "trainer.max_epochs=1")
    evaluate(config(), tmp_path / "evaluated", checkpoint=str(tmp_path / "run"))
    found = json.loads((tmp_path / "evaluated" / "run.json").read_text(encoding="utf-8"))
    assert found["metrics"]["stereo"] == record["metrics"]["stereo"]


def test_a_guided_checkpoint_where_there_is_no_guide(
    finished: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"guide_channels=3, but there is no guide for: .*chelsea\.png"):
        evaluate(
            config("data=demo", "channels=1", "~metric.rmse", "benchmark=[]"),
            tmp_path / "run",
            checkpoint=str(finished[0]),
        )


def test_against_an_adversary(tmp_path: Path) -> None:
    adversary = ["loss=gan", "discriminator.width=4", "discriminator.layers=1", "trainer.max_epochs=1"]
    record = run(tmp_path / "run", *adversary, "metric=[]")
    assert record["status"] == "finished"


def one_step(model: SRModel, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    assert isinstance(model, RestorationModel)
    sr = model.restore_crops(batch)
    loss, _ = model.loss(sr, batch["gt"])
    return sr, loss


def test_no_loss_sees_what_was_not_measured() -> None:
    """Whatever stands there in `gt`, the gradient is the same, and the loss does not grow with it."""
    at = config()
    model, data = build_model(at), build_data(at)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    batch = data.on_after_batch_transfer(batch, 0)
    known = batch["known"] > 0.5
    assert 0 < int((~known).sum()) < known.numel() / 2
    gradients = []
    for gt in (batch["gt"], torch.where(known, batch["gt"], torch.ones_like(batch["gt"]))):
        model.zero_grad()
        sr, loss = one_step(model, batch | {"gt": gt})
        assert torch.equal(sr[~known], gt[~known])
        loss.backward()
        gradients.append([p.grad for p in model.net.parameters() if p.grad is not None])
    assert gradients[0]
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


@pytest.mark.slow
def test_the_guide_gains_what_is_promised() -> None:
    """One seed of the three in docs/fields/fusion.md."""
    import re
    import subprocess
    import sys

    command = [sys.executable, str(ROOT / "benchmarks" / "guided.py"), "trainer=cpu", "--seeds", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=True)
    gain = re.search(r"PSNR, dB .*?mean +([+-]\d+\.\d+)", done.stdout, re.DOTALL)
    assert gain is not None
    assert float(gain[1]) >= 0.5
