"""A run of a net with noise at its input: composed, trained, continued from, measured and written as any."""

import json
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from sr_experiments.check import check
from sr_experiments.config import register
from sr_experiments.export.words import words_for
from sr_experiments.nets.espcn import ESPCN
from sr_experiments.nets.noisy import NoisyNet
from sr_experiments.nets.weights import read_state_dict
from sr_experiments.rebuild import open_checkpoint, rebuild
from tests.conftest import ROOT
from tests.tasks.runs import photographs, run
from tests.typed import typed

TYPED = ["loss=gan", "net=noisy", "net@net.inner=espcn"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photographs(tmp_path_factory.mktemp("photographs"))


@pytest.fixture(scope="module")
def trained(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "noisy"
    run(root, folder, *TYPED, "seed=7", "data.patch_size=24")
    return folder


def test_any_net_is_chosen_as_it_is_typed() -> None:
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        for inner, name in [
            ("edsr", "EDSR"),
            ("spandrel/swinir_light", "SpandrelNet"),
            ("bicubic", "Interpolation"),
        ]:
            for model in ("edsr", "noisy"):
                words = [
                    f"model={model}",
                    "loss=gan",
                    "net=noisy",
                    f"net@net.inner={inner}",
                    "scale=2",
                    "seed=5",
                ]
                config = compose("config", overrides=["name=test", *words, "net.inner.in_channels=1"])
                check(config)
                assert config.net._target_.endswith(".NoisyNet")
                assert config.net.inner._target_.endswith(f".{name}")
                assert (config.net.seed, config.net.inner.scale, config.net.inner.in_channels) == (5, 2, 1)
                assert config.model._target_.endswith("GANModel")


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("net.noise_channel=2", "net.noise_channel: no such key. Did you mean 'net.noise_channels'?"),
        ("net.inner.featurs=2", "net.inner.featurs: no such key. Did you mean 'net.inner.features'?"),
        ("net.inner=5", "net.inner=5: must be SRNet, not int"),
        ("net.noise_channels=0", "net.noise_channels=0: must be 1 or more"),
        ("net@net.inner=noisy", "net.inner=NoisyNet: has noise at its input already"),
    ],
)
def test_mistakes(
    word: str,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert typed(monkeypatch, "model=noisy", word, f"hydra.run.dir={tmp_path}") == 2
    assert told in capsys.readouterr().err


def test_a_run_is_rebuilt_and_measured_without_noise(
    trained: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["task=evaluate", "data=folder", f"data.root={root}", "trainer=cpu"]
    words = [*arguments, f"checkpoint={trained}", f"hydra.run.dir={tmp_path}"]
    assert typed(monkeypatch, *words) == 0
    measured, known = (
        json.loads((folder / "run.json").read_text(encoding="utf-8"))["metrics"]["folder"]["psnr_y"]
        for folder in (tmp_path, trained)
    )
    assert measured == pytest.approx(known, abs=1e-4)


def test_rebuilt_it_is_the_net_of_the_run(trained: Path) -> None:
    checkpoint = open_checkpoint(str(trained))
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        today = compose("config", overrides=["name=today"])
    net, at = rebuild(today, checkpoint, scale=2, channels=[3])
    assert isinstance(net, NoisyNet)
    assert isinstance(net.inner, ESPCN)
    assert (net.seed, net.scale, at.net.inner.scale) == (7, 2, 2)
    state = net.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in checkpoint.state.items())
    assert float(state["noise.weight"].abs().min()) > 0, "the adversary has moved it"
    with pytest.raises(ValueError, match="does not fit NoisyNet with scale=3"):
        rebuild(today, checkpoint, scale=3, channels=[3])


def test_weights_go_from_plain_to_noisy_and_back(trained: Path, root: Path, tmp_path: Path) -> None:
    still = ["optimizer.lr=0", "schedule=constant", "model.ema=null"]
    run(root, tmp_path / "plain", f"init_from={trained}", *still)
    plain, state = (
        read_state_dict(folder / "checkpoints" / "last.ckpt") for folder in (tmp_path / "plain", trained)
    )
    assert {f"inner.{key}" for key in plain} == state.keys() - {"noise.weight"}
    best = read_state_dict(trained / "checkpoints" / "best.ckpt")
    assert all(torch.equal(value, best[f"inner.{key}"]) for key, value in plain.items())
    run(root, tmp_path / "again", *TYPED, "data.patch_size=24", f"init_from={tmp_path / 'plain'}", *still)
    again = read_state_dict(tmp_path / "again" / "checkpoints" / "last.ckpt")
    assert all(torch.equal(value, again[f"inner.{key}"]) for key, value in plain.items())
    assert not again["noise.weight"].any()


def test_the_file_measures_by_the_command_that_was_printed(
    trained: Path,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert typed(monkeypatch, "task=export", f"checkpoint={trained}", "hydra.run.dir=e", "output=x.pth") == 0
    command = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("use "))
    words = command.split("python -m sr_experiments ")[1].split()
    assert words[2:] == ["model=noisy", "net.seed=7", "net@net.inner=espcn", "scale=2"]
    assert (
        typed(monkeypatch, *words, "data=folder", f"data.root={root}", "trainer=cpu", "hydra.run.dir=m") == 0
    )


@pytest.mark.parametrize(
    "words",
    [["net.noise_channels=4", "net@net.inner=srcnn_915", "net.inner.features=[8,4]"], ["scale=2", "seed=3"]],
)
def test_the_words_make_the_same_net(words: list[str]) -> None:
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", overrides=["name=x", "model=noisy", *words])
        again = compose(
            "config", overrides=["name=x", *words_for(config, checkpoint="x")[1:], f"seed={config.seed}"]
        )
        assert OmegaConf.to_container(again, resolve=True) == OmegaConf.to_container(config, resolve=True)


@pytest.mark.parametrize(
    "inner",
    [
        "{_target_: pathlib.Path.touch, self: EVIL}",
        "{_target_: sr_experiments.nets.espcn.ESPCN, scale: {_target_: pathlib.Path.touch, self: EVIL}}",
        "{_target_: sr_experiments.nets.weights.read_state_dict, path: EVIL}",
        "[{_target_: pathlib.Path.touch, self: EVIL}]",
    ],
)
def test_a_net_inside_can_not_run_code_either(inner: str, tmp_path: Path) -> None:
    """Its tensors were opened safely, and then the net inside could have been any function."""
    target = "sr_experiments.nets.noisy.NoisyNet"
    config = f"{{net: {{_target_: {target}, inner: {inner.replace('EVIL', str(tmp_path / 'evil'))}}}}}"
    content = {"state_dict": {"net.a": torch.zeros(1)}, "sr_experiments": {"config": config}}
    torch.save(content, tmp_path / "evil.ckpt")
    with pytest.raises(ValueError, match=r"and only a net of sr_experiments\.nets is built from a file"):
        open_checkpoint(str(tmp_path / "evil.ckpt"))
    assert not (tmp_path / "evil").exists()
