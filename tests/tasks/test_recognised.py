"""Community files as they are typed: measured, exported, trained further, and refused in words."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file, save_file

from sr_experiments.imaging.io import read_image
from sr_experiments.rebuild import identify, open_checkpoint, rebuild
from tests.conftest import ROOT
from tests.nets.toys import build_net
from tests.tasks.runs import photographs, toy_config
from tests.typed import typed

pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, a file of an architecture of spandrel's, and two of our own."""
    folder = tmp_path_factory.mktemp("desk")
    photographs(folder / "photographs")
    torch.manual_seed(0)
    torch.save(
        {"params_ema": build_net("spandrel/plksr", scale=2, toy=True).state_dict()}, folder / "2x toy.pth"
    )
    torch.save(build_net("edsr_baseline", scale=3, channels=1, toy=True).state_dict(), folder / "edsr.pth")
    save_file(build_net("srvgg", scale=4, toy=True).state_dict(), folder / "4x_compact.safetensors")
    torch.save({"layer.weight": torch.zeros(3)}, folder / "strange.pth")
    return folder


def data(desk: Path) -> list[str]:
    return ["data=folder", f"data.root={desk / 'photographs'}", "metric=[]", "trainer=cpu"]


@pytest.mark.parametrize(
    ("file", "name", "scale", "channels"),
    [
        ("2x toy.pth", "2x-toy", 2, 3),
        ("edsr.pth", "edsr", 3, 1),
        ("4x_compact.safetensors", "4x_compact", 4, 3),
    ],
)
def test_it_is_measured_without_a_word_about_its_net(
    file: str,
    name: str,
    scale: int,
    channels: int,
    desk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "run"
    command = ["task=evaluate", f"checkpoint='{desk / file}'", f"hydra.run.dir={folder}", *data(desk)]
    assert typed(monkeypatch, *command) == 0
    assert f"{name} x{scale}" in capsys.readouterr().out
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert (record["model"], record["scale"]) == (name, scale)
    config = OmegaConf.load(folder / "config.yaml")
    assert (config.scale, config.channels, config.net.scale) == (scale, channels, scale)


def test_photographs_are_enlarged_with_it(
    desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = desk / "4x_compact.safetensors"
    command = ["task=upscale", f"checkpoint={file}", f"input={desk / 'photographs' / '0.png'}"]
    out = tmp_path / "out"
    command += [f"output={out}", "trainer=cpu", f"hydra.run.dir={tmp_path / 'run'}"]
    assert typed(monkeypatch, *command) == 0, capsys.readouterr().err
    (result,) = out.rglob("*.png")
    assert read_image(result).shape[:2] == (160, 160)


def test_it_is_trained_further_and_rebuilt_without_the_file(
    desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "2x-toy.pth"
    shutil.copy(desk / "2x toy.pth", file)
    small = ["data.patch_size=16", "data.batch_size=2", "data.steps_per_epoch=2", "callbacks.images.count=0"]
    small += ["trainer.log_every_n_steps=1", "precision=32-true"]
    command = ["model=recognised", f"init_from={file}", f"run={tmp_path / 'run'}", *data(desk), *small]
    assert typed(monkeypatch, *command, "trainer.max_epochs=1", "optimizer.lr=0") == 0
    config = OmegaConf.load(tmp_path / "run" / "config.yaml")
    assert (config.scale, config.net.architecture, config.name) == (2, "PLKSR", "2x-toy")
    assert config.data.degradation.scale == 2, "what follows from the scale follows the file"
    trained = open_checkpoint(str(tmp_path / "run"))
    given = open_checkpoint(str(file)).state
    for key, value in given.items():  # a rate of 0 changes nothing
        torch.testing.assert_close(trained.state[key], value, rtol=0, atol=1e-6)

    file.unlink()
    net, at = rebuild(toy_config(ROOT), open_checkpoint(str(tmp_path / "run")), scale=2, channels=[3])
    assert at.name == "2x-toy"
    assert net(torch.rand(1, 3, 8, 9)).shape == (1, 3, 16, 18)


def test_an_interrupted_run_goes_on_without_the_file(
    desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, folder = tmp_path / "2x-toy.pth", tmp_path / "run"
    shutil.copy(desk / "2x toy.pth", file)
    small = ["data.patch_size=16", "data.batch_size=2", "data.steps_per_epoch=1", "callbacks.images.count=0"]
    command = [
        "model=recognised",
        f"init_from={file}",
        f"run={folder}",
        "trainer.max_epochs=1",
        *data(desk),
        *small,
    ]
    assert typed(monkeypatch, *command, "trainer.log_every_n_steps=1") == 0
    file.unlink()
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    (folder / "run.json").write_text(json.dumps(record | {"status": "interrupted"}), encoding="utf-8")
    assert typed(monkeypatch, f"run={folder}", "trainer.max_epochs=3") == 0
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert (record["status"], record["steps"]) == ("finished", 3)


def test_what_was_exported_says_what_it_is(
    desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no tensor tells, such as a net that recognition does not know, is in the file."""
    state = build_net("fsrcnn", scale=3, toy=True).state_dict()
    torch.save(state, tmp_path / "plain.pth")
    file = tmp_path / "ours.safetensors"
    command = [
        "task=export",
        f"checkpoint={tmp_path / 'plain.pth'}",
        f"output={file}",
        "model=fsrcnn",
        "scale=3",
    ]
    assert typed(monkeypatch, *command, f"hydra.run.dir={tmp_path / 'export'}") == 0
    config = toy_config(ROOT, model="recognised")
    checkpoint = identify(config, open_checkpoint(str(file)))
    assert checkpoint.known is not None
    assert (checkpoint.known.scale, checkpoint.known.net._target_.rpartition(".")[2]) == (3, "FSRCNN")
    net, _ = rebuild(config, checkpoint, scale=3, channels=[3])
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    assert load_file(file).keys() == state.keys()


def test_the_config_in_a_file_runs_nothing(tmp_path: Path) -> None:
    evil = OmegaConf.create({"name": "a", "scale": 2, "channels": 3, "net": {"_target_": "os.system"}})
    file = tmp_path / "evil.safetensors"
    save_file({"a": torch.zeros(1)}, file, metadata={"config": OmegaConf.to_yaml(evil)})
    checkpoint = open_checkpoint(str(file))
    with pytest.raises(ValueError, match=r"builds os\.system, and only a net of sr_experiments"):
        identify(toy_config(ROOT, model="recognised"), checkpoint)


def test_metadata_of_somebody_else(desk: Path, tmp_path: Path) -> None:
    """``config`` may be anything in another program's file: then the tensors tell."""
    state = build_net("srvgg", scale=4, toy=True).state_dict()
    for number, text in enumerate(["{", "a: ]", "name: x", "plain"]):
        file = tmp_path / f"{number}.safetensors"
        save_file(state, file, metadata={"config": text})
        known = identify(toy_config(ROOT, model="recognised"), open_checkpoint(str(file))).known
        assert known is not None
        assert known.scale == 4


MISTAKES = {
    "of another net": (
        ["task=evaluate", "checkpoint=DESK/edsr.pth", "model=rcan"],
        "The file is recognised as EDSR x3 of 1 channel: model=recognised takes that net.",
    ),
    "nothing fits": (
        ["init_from=DESK/edsr.pth", "model=srvgg", "data.patch_size=16"],
        "nothing in it fits this net; for example sub_mean.weight: no such key in the net\n  The file is "
        "recognised as EDSR x3 of 1 channel: model=recognised takes that net.",
    ),
    "nobody's": (
        ["task=evaluate", "checkpoint=DESK/strange.pth"],
        "DESK/strange.pth: is not recognised: none of the architectures that are known here or to spandrel. "
        "Say which net it is by model=",
    ),
    "no file": (["model=recognised"], "and none was given: checkpoint=FILE, or for training init_from=FILE"),
    "no such file": (
        ["model=recognised", "init_from=absent.pth"],
        "init_from=absent.pth: there is no such run, checkpoint or weight file",
    ),
    "another scale": (
        ["model=recognised", "init_from=DESK/edsr.pth", "scale=4"],
        "scale=4: DESK/edsr.pth is a net with scale=3. Leave scale= away; or give model= and init_from=",
    ),
    "other channels": (
        ["model=recognised", "init_from=DESK/edsr.pth", "channels=3"],
        "channels=3: DESK/edsr.pth is a net with channels=1",
    ),
    "another scale to measure": (
        ["task=evaluate", "checkpoint=DESK/edsr.pth", "scale=4"],
        "DESK/edsr.pth: does not fit EDSR with scale=4 and channels=1",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(
    name: str, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, message = MISTAKES[name]
    arguments = [argument.replace("DESK", str(desk)) for argument in arguments]
    assert typed(monkeypatch, *arguments, f"hydra.run.dir={tmp_path / 'run'}", *data(desk)) == 2
    captured = capsys.readouterr()
    assert message.replace("DESK", str(desk)) in captured.err
    assert "Traceback" not in captured.err
