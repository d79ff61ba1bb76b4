"""Keys and passwords reach nothing that a run leaves behind."""

import json
import logging
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from sr_experiments.build import build_model
from sr_experiments.export.files import write_weights
from sr_experiments.prepare.part import Part
from sr_experiments.secret import HIDDEN, redacted, redacted_all, watch_logs
from tests.imaging.measured_files import phantom, write_dicom
from tests.nets.toys import build_net
from tests.tasks.nursery import nursery
from tests.tasks.runs import photographs
from tests.test_conf import composed
from tests.typed import typed

KEY = "0123456789abcdef0123456789abcdef01234567"
PASSWORD = "correct-horse"
SMALL = [
    "model=espcn",
    "scale=2",
    "data=folder",
    "data.root=photographs",
    "data.patch_size=16",
    "trainer=cpu",
]


def test_what_is_a_secret() -> None:
    environment = {
        "WANDB_API_KEY": KEY,
        "HF_TOKEN": "hf_" + KEY,
        "SHORT_KEY": "abc",
        "KEYBOARD": "qwertyuiop",
    }
    text = f"a {KEY} b hf_{KEY} c abc d qwertyuiop s3://me:{PASSWORD}@host/x https://host/y"
    expected = f"a {HIDDEN} b {HIDDEN} c abc d qwertyuiop s3://{HIDDEN}@host/x https://host/y"
    assert redacted(text, environment=environment) == expected


def test_inside_what_loggers_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET", PASSWORD)
    assert redacted_all({"a": [PASSWORD, 1, None], "b": {"c": f"x{PASSWORD}"}}) == {
        "a": [HIDDEN, 1, None],
        "b": {"c": f"x{HIDDEN}"},
    }


@pytest.mark.parametrize("secret", [PASSWORD, 'it\'s "so": #8\n', "12345678", "schlüssel-wörter"])
def test_a_config_without_them_can_be_read(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asterisks alone are no YAML, and of a value that YAML must quote nothing was found in its text."""
    monkeypatch.setenv("MY_SECRET", secret)
    config = composed("model=espcn", "data=folder", "data.root=x", "trainer=cpu")
    config.data.name = secret
    text = build_model(config).config_text
    assert OmegaConf.create(text).data.name == HIDDEN


def test_what_is_logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("MY_TOKEN", KEY)
    watch_logs()
    with caplog.at_level(logging.INFO):
        logging.getLogger("sr_experiments.some.module").info("with %s and %d", KEY, 3)
    assert caplog.messages == [f"with {HIDDEN} and 3"]


def test_a_real_run_leaves_none_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every logger, a checkpoint, pictures, and secrets in values of the config."""
    photographs(tmp_path / "photographs", count=4)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PASSWORD)
    monkeypatch.setenv("WANDB_MODE", "offline")
    with nursery(tmp_path) as start:
        child = start(
            *SMALL,
            "trainer.max_epochs=1",
            "data.steps_per_epoch=2",
            "logger=csv,tensorboard,wandb",
            f"data.cache_dir=s3://me:{KEY[:9]}@host/{PASSWORD}",
            "run=run",
        )
        assert child.wait() == 0, child.said
    assert len(files_without_secrets(tmp_path / "run")) > 10
    assert PASSWORD not in child.said


def files_without_secrets(folder: Path) -> list[Path]:
    """All that a command has left; none of them holds a secret."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        content = path.read_bytes()
        for secret in (KEY, PASSWORD, KEY[:9]):
            assert secret.encode() not in content, f"{secret} in {path.relative_to(folder.parent)}"
    return files


OTHERS = {
    "evaluate": (
        ["model=bicubic", "metric=lr_psnr"],
        {"config.yaml", "run.json", "per_image.csv", "table.md", "table.tex"},
    ),
    "degrade": (["model=espcn", "task.samples=2"], {"samples.json", "samples.png", "run.json"}),
    "export": (
        [
            "name=toy",
            "model=espcn",
            "checkpoint=weights.pth",
            f"licence='https://me:{KEY[:9]}@host/terms {PASSWORD}'",
        ],
        {"model_card.md", "toy-x2.safetensors", "run.json"},
    ),
    "upscale": (
        ["model=bicubic", "input=photographs", "output=made/upscale/out", "compare=true"],
        {"files.csv", "run.json", "0_x2.png"},
    ),
    "convert": (
        ["input=0.dcm", "output=made/convert/out", "task.held_out=0"],
        {"run.json", "0001.png"},
    ),
    "profile": (
        ["model=bicubic", "task.sizes=[[8,8]]", "task.ways=[eager]", "task.repeats=1", "task.memory=false"],
        {"profile.md", "profile.json", "run.json"},
    ),
    "prepare": (["model=bicubic"], {"run.json"}),
}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("task", OTHERS)
def test_what_other_tasks_leave(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An evaluation wrote its config as it was composed, with the password that stood in an address."""
    photographs(tmp_path / "photographs", count=3)
    monkeypatch.setenv("MY_SECRET", PASSWORD)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    write_dicom(tmp_path / "0.dcm", phantom())
    write_weights(tmp_path / "weights.pth", build_net("espcn", scale=2).state_dict(), {})
    arguments, expected = OTHERS[task]
    address = f"s3://me:{KEY[:9]}@host/{PASSWORD}"
    common = ["data=folder", "data.root=photographs", "data.patch_size=16", "scale=2"]
    data = [f"data.cache_dir={address}", f"data.name='{PASSWORD}'", "trainer=cpu"]
    folder = f"hydra.run.dir=made/{task}"
    assert typed(monkeypatch, f"task={task}", *common, *arguments, *data, folder) == 0
    left = files_without_secrets(tmp_path / "made")
    assert expected <= {path.name for path in left}
    assert {"config.yaml", "overrides.yaml"} <= {path.name for path in left if path.parent.name == ".hydra"}
    said = capsys.readouterr()
    assert KEY[:9] not in said.out + said.err


@pytest.mark.usefixtures("here")
def test_what_a_preview_says(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MY_SECRET", PASSWORD)
    monkeypatch.setenv("COLUMNS", "200")
    addresses = f"data.cache_dir=s3://me:{KEY[:9]}@host/{PASSWORD},/b"
    assert typed(monkeypatch, "-m", "--dry-run", "run=s", *SMALL, addresses) == 0
    said = capsys.readouterr()
    assert f"://{HIDDEN}@host/{HIDDEN}" in said.out
    assert KEY[:9] not in said.out + said.err
    assert PASSWORD not in said.out + said.err


def test_what_a_download_that_was_cut_off_leaves(tmp_path: Path) -> None:
    """Its address stands beside it, so that only what comes from there is added."""
    address = f"https://me:{PASSWORD}@host/set.zip"
    part = Part(tmp_path / "set.zip", url=address)
    part.begin(0, validator=None, total=9)
    part.path.write_bytes(b"half")
    notes = json.loads((tmp_path / "set.zip.part.json").read_text(encoding="utf-8"))
    assert notes["url"] == f"https://{HIDDEN}@host/set.zip"
    assert Part(tmp_path / "set.zip", url=address).size == 4, "it is continued"
    assert Part(tmp_path / "set.zip", url="https://elsewhere/set.zip").size == 0
