"""Keys and passwords reach nothing that a run leaves behind."""

import logging
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from sr_experiments.build import build_model
from sr_experiments.secret import HIDDEN, redacted, redacted_all, watch_logs
from tests.tasks.nursery import nursery
from tests.tasks.runs import photographs
from tests.test_conf import composed

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
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        content = path.read_bytes()
        for secret in (KEY, PASSWORD, KEY[:9]):
            assert secret.encode() not in content, f"{secret} in {path.relative_to(tmp_path)}"
    assert PASSWORD not in child.said
