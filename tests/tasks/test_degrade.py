"""task=degrade: what a run would get is what is shown, and what is written down makes it again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig

from sr_experiments.check import check
from sr_experiments.config import register
from sr_experiments.imaging.io import read_image, to_tensor
from sr_experiments.tasks.gallery import Specimen, gallery
from tests.conftest import ROOT
from tests.tasks.runs import photographs

CHAIN = "degradation=real_esrgan"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return photographs(tmp_path / "photographs", count=6, side=72)


def config_of(root: Path, *overrides: str) -> DictConfig:
    register()
    given = [
        "name=test",
        "task=degrade",
        "data=folder",
        f"data.root='{root}'",
        "data.patch_size=32",
        "scale=2",
    ]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", overrides=[*given, *overrides])
    check(config)
    return config


def degrade(root: Path, *overrides: str) -> Path:
    config = config_of(root, *overrides)
    run_dir = root.parent / f"run{len(list(root.parent.glob('run*')))}"
    run_dir.mkdir()
    instantiate(config.task)(config, run_dir)
    return run_dir


def content(run_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run_dir / "samples.json").read_text(encoding="utf-8"))
    return found


def image(run_dir: Path, name: str) -> np.ndarray:
    return read_image(run_dir / "images" / f"{name}.png")


def edited(run_dir: Path, number: int, **values: Any) -> Path:
    changed = content(run_dir)
    changed["samples"][number]["values"] |= {key.replace("__", "/"): value for key, value in values.items()}
    path = run_dir / "edited.json"
    path.write_text(json.dumps(changed), encoding="utf-8")
    return path


def test_it_shows_what_a_run_gets(root: Path) -> None:
    run_dir = degrade(root, CHAIN, "task.first=5", "task.samples=3", "seed=4")
    config = config_of(root, CHAIN, "seed=4", "data.batch_size=8", "data.steps_per_epoch=1", "data.workers=0")
    data = instantiate(config.data)
    data.setup("fit")
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert [entry["position"] for entry in content(run_dir)["samples"]] == [5, 6, 7]
    for number in range(3):
        for key in ("gt", "lq"):
            shown = to_tensor(image(run_dir, f"{number:03d}-{key}"))
            assert torch.equal((batch[key][5 + number] * 255).round(), (shown * 255).round())


def test_the_values_fed_back_repeat_one_sample(root: Path) -> None:
    first = degrade(root, CHAIN, "task.samples=4", "seed=3")
    again = degrade(root, CHAIN, f"task.values='{first / 'samples.json'}'", "task.sample=2")
    assert content(again)["samples"] == content(first)["samples"][2:3]
    assert content(again)["seed"] == 3
    for key in ("gt", "lq"):
        assert np.array_equal(image(again, f"000-{key}"), image(first, f"002-{key}"))


def test_an_edited_value_changes_its_sample_alone(root: Path) -> None:
    first = degrade(root, "degradation=classical", "task.samples=4")
    path = edited(first, 1, jpeg__happens=True, jpeg__quality=30, blur__kind="isotropic", blur__sigma=4.0)
    again = degrade(root, "degradation=classical", f"task.values='{path}'")
    values = content(again)["samples"][1]["values"]
    assert (values["jpeg/quality"], values["blur/sigma"]) == (30, 4.0)
    for number in range(4):
        same = np.array_equal(image(again, f"{number:03d}-lq"), image(first, f"{number:03d}-lq"))
        assert same == (number != 1)
        assert np.array_equal(image(again, f"{number:03d}-gt"), image(first, f"{number:03d}-gt"))


def test_a_prescribed_order_is_followed(root: Path) -> None:
    first = degrade(root, "degradation=bsrgan", "task.samples=1")
    values = content(first)["samples"][0]["values"]
    name = next(key for key in values if key.endswith("/order"))  # of the branch that was drawn
    turned = " > ".join(reversed(values[name].split(" > ")))
    path = edited(first, 0, **{name.replace("/", "__"): turned})
    again = degrade(root, "degradation=bsrgan", f"task.values='{path}'")
    assert content(again)["samples"][0]["values"][name] == turned
    assert not np.array_equal(image(again, "000-lq"), image(first, "000-lq"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"blur__sigma": 9}, r"blur/sigma=9 must lie in the range that is drawn from, 0\.2 to 4"),
        ({"blur__sigma": "much"}, "blur/sigma='much' must be a number"),
        ({"blur__kind": "round"}, "blur/kind='round' must be one of isotropic, anisotropic"),
        ({"jpeg__happens": 1}, "jpeg/happens=1 must be true or false"),
        ({"top": 1.5}, r"top=1\.5 must be a whole number"),
        ({"top": 500}, "a prescribed crop does not lie in its image"),
        ({"blur__strength": 1}, "nothing of this data and degradation is called blur/strength"),
        ({"image": 99}, "image=99 must lie in the range that is drawn from, 0 to 4"),
        ({"image": 0, "top": 0, "left": 0}, "sample 0 was of the image .*, but this data has 0 in its place"),
    ],
)
def test_values_that_can_not_be_meant_are_refused(root: Path, values: dict[str, Any], message: str) -> None:
    first = degrade(root, "degradation=classical", "task.samples=1", "task.first=1")
    assert content(first)["samples"][0]["image"] != "0"
    with pytest.raises(ValueError, match=message):
        degrade(root, "degradation=classical", f"task.values='{edited(first, 0, **values)}'")


def test_other_files_and_numbers_are_refused(root: Path) -> None:
    first = degrade(root, CHAIN, "task.samples=2")
    with pytest.raises(ValueError, match=r"task\.sample=2: .* has samples 0 to 1"):
        degrade(root, CHAIN, f"task.values='{first / 'samples.json'}'", "task.sample=2")
    with pytest.raises(ValueError, match=r"is no samples\.json of task=degrade"):
        degrade(root, CHAIN, f"task.values='{first / 'run.json'}'")
    with pytest.raises(ValueError, match=r"task\.sample=1 is one of task\.values=FILE"):
        degrade(root, CHAIN, "task.sample=1")
    with pytest.raises(ValueError, match=r"task\.first=-1 and task\.samples=16 must be at least 0 and 1"):
        degrade(root, CHAIN, "task.first=-1")


def test_other_bands_and_a_fixed_degradation(root: Path) -> None:
    run_dir = degrade(root, "channels=1", "task.samples=2")
    assert image(run_dir, "000-lq").shape == (16, 16, 1)
    assert set(content(run_dir)["samples"][0]["values"]) == {
        "image",
        "top",
        "left",
        "mirrored",
        "upside down",
        "quarter turns",
    }


def test_the_picture_has_a_place_for_every_sample() -> None:
    # Whole levels: between two of them, which one is nearer is a matter of rounding.
    gt, lq = (torch.randint(0, 256, (3, side, side)) / 255 for side in (64, 16))
    values = {f"part{number}/{name}": 0.123456 for number in range(4) for name in ("a", "b")}
    one = gallery([Specimen(gt=gt, lq=lq, title="0", values=values)])
    seven = gallery([Specimen(gt=gt, lq=lq, title=str(n), values=values) for n in range(7)])
    assert one.shape[1] == 2 * 256 + 4 + 20
    assert seven.shape == (3 * (one.shape[0] - 10) + 10, 3 * (one.shape[1] - 10) + 10, 3)
    shown = one[10 : 10 + 256 : 4, 10 : 10 + 256 : 4]
    assert np.array_equal(shown, (gt * 255).round().byte().permute(1, 2, 0).numpy())
