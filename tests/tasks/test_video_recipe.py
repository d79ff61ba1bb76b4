"""``experiment=video_x4``: trained on the photographs at hand, and a coded video through what came of it."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.imaging.films import film, seen
from tests.typed import typed_line

SMALL = (
    "net.features=4 net.convolutions=1 data.batch_size=2 data.patch_size=64 data.steps_per_epoch=2 "
    "trainer.log_every_n_steps=1"
)


def test_from_the_demo_to_a_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    line = f"experiment=video_x4 trainer=cpu trainer.max_epochs=1 {SMALL} hydra.run.dir=run"
    assert typed_line(monkeypatch, line) == 0
    config = OmegaConf.load(tmp_path / "run" / "config.yaml")
    assert config.degradation.steps.coding.choices.key_frame._target_.endswith("WebP")
    assert list(config.loss.terms) == ["charbonnier"]
    assert config.adversary is None
    film(tmp_path / "clip.mp4", times=range(4), size=(24, 32))
    line = "task=upscale checkpoint=run input=clip.mp4 output=out trainer=cpu hydra.run.dir=up"
    assert typed_line(monkeypatch, line) == 0
    assert "done     1 video in out: srvgg_small x4" in capsys.readouterr().out
    frames, times = seen(tmp_path / "out" / "clip_x4.mp4")
    assert [frame.shape for frame in frames] == [(96, 128, 3)] * 4
    assert times == seen(tmp_path / "clip.mp4")[1]
