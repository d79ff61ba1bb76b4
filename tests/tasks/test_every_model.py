"""Every model with every kind of loss trains, is tested, and leaves its run."""

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.nets.toys import SCALES
from tests.tasks.runs import photographs, run

MODELS = sorted(
    path.relative_to(ROOT / "conf" / "model").with_suffix("").as_posix()
    for path in (ROOT / "conf" / "model").rglob("*.yaml")
    if path.stem != "recognised"  # the net of a file: tests/tasks/test_recognised.py
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photographs(tmp_path_factory.mktemp("photographs"), count=2)


@pytest.mark.filterwarnings("ignore:'saved_variables' is deprecated:DeprecationWarning")  # spandrel's OmniSR
@pytest.mark.parametrize("loss", ["l1", "ssim", "perceptual"])
@pytest.mark.parametrize("model", MODELS)
def test_it_trains(
    model: str, loss: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch_home"))
    assert 2 in SCALES.get(model, (2,))
    record = run(
        root,
        tmp_path / "run",
        f"loss={loss}",
        "data.demo=true",
        "data.patch_size=32",
        "data.steps_per_epoch=1",
        "callbacks.images.count=0",
        model=model,
    )
    assert record["status"] == "finished"
    assert np.isfinite(record["metrics"]["folder"]["psnr_y"])
    assert record["steps"] == (1 if record["parameters"] else 0)
