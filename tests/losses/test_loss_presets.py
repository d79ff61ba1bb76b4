"""Every file in conf/loss builds and trains."""

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from sr_experiments.losses.weighted import WeightedSum

FOLDER = Path(__file__).parents[2] / "conf" / "loss"
PRESETS = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != "_base")
ADVERSARIAL = {
    "gan",
    "srgan",
    "esrgan",
    "real_esrgan",
}  # what they bring beside the sum is tested with the models
NEEDS_WEIGHTS = {"perceptual", "perceptual_layers", "style", "lpips", *ADVERSARIAL} - {"gan"}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


def _node(preset: str) -> DictConfig:
    """What stands under the key `loss`."""
    content = OmegaConf.load(FOLDER / f"{preset}.yaml")
    node = content.loss if preset in ADVERSARIAL else content
    assert isinstance(node, DictConfig)
    return node


def _make(preset: str, *overrides: str, demo: bool = True) -> WeightedSum:
    root = OmegaConf.create({"data": {"demo": demo}, "loss": _node(preset)})
    root.merge_with_dotlist(list(overrides))
    loss = instantiate(root.loss)
    assert isinstance(loss, WeightedSum)
    return loss


def test_the_promised_presets_are_there() -> None:
    promised = "mse l1 charbonnier ssim ms_ssim perceptual style tv frequency lpips"
    assert set(promised.split()) <= set(PRESETS)


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_gives_a_finite_gradient(preset: str) -> None:
    """On a patch of 96 pixels, the default; every term is met, and every pixel."""
    loss = _make(preset)
    generator = torch.Generator().manual_seed(2)
    gt = torch.rand(1, 3, 96, 96, generator=generator)
    sr = (0.5 * gt + 0.25 + 0.1 * torch.rand(gt.shape, generator=generator)).requires_grad_()
    total, values = loss(sr, gt)
    (gradient,) = torch.autograd.grad(total, sr)
    assert set(values) == set(_node(preset).terms)
    assert all(value.isfinite() and value > 0 for value in values.values())
    assert gradient.isfinite().all()
    assert (gradient != 0).float().mean() > 0.99
    assert loss.state_dict() == {}
    notes = [note for part in loss.modules() for note in getattr(part, "notes", [])]
    assert len(notes) == (preset in NEEDS_WEIGHTS)


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_says_what_it_is(preset: str) -> None:
    lines = (FOLDER / f"{preset}.yaml").read_text().splitlines()
    assert lines[0].startswith("# ")
    assert max(map(len, lines)) <= 110


@pytest.mark.parametrize("preset", sorted(NEEDS_WEIGHTS))
def test_preset_of_a_real_run_does_not_go_on_without_weights(
    preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(request: object) -> None:
        raise OSError("offline")

    monkeypatch.setattr(torch.hub, "urlopen", offline)
    with pytest.raises(
        Exception, match=r"failed \(offline\)\. Three ways to mend it: put vgg1[69]-\w+\.pth into"
    ):
        _make(preset, demo=False)


def test_a_weight_file_is_named_on_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"weights=.*own\.pth: there is no such file"):
        _make("perceptual", f"loss.terms.perceptual.loss.weights={tmp_path / 'own.pth'}")


def test_a_term_is_swept_by_its_name() -> None:
    loss = _make("perceptual", "loss.terms.perceptual.weight=0.25")
    assert loss.weights == {"l1": 1.0, "perceptual": 0.25}
