"""Every conf/data, conf/degradation and conf/benchmark composes, is accepted and becomes what it says."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig

from sr_experiments.check import check
from sr_experiments.config import register
from sr_experiments.data.datamodule import SRData
from sr_experiments.data.sources import Folder, Joined, Source
from sr_experiments.degradations.base import Degradation
from tests.conftest import ROOT, benchmark_dir
from tests.data.pictures import folder, write

CONF = ROOT / "conf"
DATA = sorted(path.stem for path in (CONF / "data").glob("*.yaml") if path.stem != "_base")
BENCHMARKS = sorted(path.stem for path in (CONF / "benchmark").glob("*.yaml"))
DEGRADATIONS = sorted(path.stem for path in (CONF / "degradation").glob("*.yaml"))
NEEDED = {
    "folder": ["data.root=x"],
    "guided": ["data.root=x", "model=guided"],
    "stereo": ["model=guided"],
    "paired": ["data.gt=x", "data.lq=y"],
    "shards": ["data.train.url=x", "data.val.root=y"],
}
PUBLISHED = ["set5", "set14", "bsd100", "urban100", "manga109", "div2k_valid"]
SETS = {
    "bsds500": (["BSDS500/train", "BSDS500/test"], "BSDS500/val"),
    "df2k": (["DIV2K", "Flickr2K"], "DIV2K_valid"),
    "div2k": (["DIV2K"], "DIV2K_valid"),
    "flickr2k": (["Flickr2K"], "DIV2K_valid"),
    "291": (["T91", "BSDS200"], "Set5"),
    "t91": (["T91"], "Set5"),
}


def composed(*overrides: str) -> DictConfig:
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides=["name=test", *overrides])
    check(config)
    return config


def built(*overrides: str) -> SRData:
    data = instantiate(composed(*overrides).data)
    assert isinstance(data, SRData)
    return data


def folders(source: Source) -> list[str]:
    sources = source.sources if isinstance(source, Joined) else [source]
    assert all(isinstance(entry, Folder) for entry in sources)
    return [str(entry.root) for entry in sources if isinstance(entry, Folder)]


@pytest.mark.parametrize("scale", [3, 4])
@pytest.mark.parametrize("name", DATA)
def test_every_choice_of_data_is_built(name: str, scale: int) -> None:
    overrides = [
        f"data='{name}'",  # quoted: one is called 291
        *NEEDED.get(name, []),
        f"scale={scale}",
        "seed=5",
        "channels=1",
        "data_dir=D",
    ]
    data = built(*overrides)
    assert (data.scale, data.seed, data.channels) == (scale, 5, 1)
    assert data.patch_size % scale == 0
    assert data.demo == (name in ("demo", "stereo"))
    assert data.degradation.fixed
    if name in SETS:
        assert data.patch_size == (48 if "91" in name else 48 * scale)
        train, val = SETS[name]
        assert folders(data.train) == [f"D/{entry}" for entry in train]
        assert folders(data.val) == [f"D/{val}"]
    assert data.name == name
    assert data.test_names == [data.name]


def test_the_presets_that_are_promised_are_there() -> None:
    assert set(DATA) == {*SETS, "demo", "folder", "guided", "paired", "shards", "stereo"}
    assert set(BENCHMARKS) == {*PUBLISHED, "stereo"}
    promised = {"bicubic", "blur_downscale", "classical", "bsrgan", "real_esrgan", "camera", "video"}
    assert set(DEGRADATIONS) == promised


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_benchmark_is_a_test_set_of_its_name(name: str) -> None:
    data = built(f"benchmark={name}", "data_dir=D")
    assert data.test_names == [name]
    source = data.test[name]
    assert isinstance(source, Folder)
    assert source.expected in (5, 14, 100, 109)
    assert folders(source)[0].lower() == f"d/{name}"


def test_benchmarks_add_up() -> None:
    assert built("benchmark=[set5,urban100,set14]").test_names == ["set5", "urban100", "set14"]


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("name", DEGRADATIONS)
def test_every_degradation_is_built(name: str, scale: int) -> None:
    degradation = instantiate(composed(f"degradation={name}", f"scale={scale}").degradation)
    assert isinstance(degradation, Degradation)
    assert degradation.scale == scale
    assert degradation.fixed == (name == "bicubic")


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_the_demo_runs_without_anything(name: str) -> None:
    data = built(f"degradation={name}", "data.steps_per_epoch=2")
    data.setup("fit")
    batches = [data.on_after_batch_transfer(batch, 0) for batch in data.train_dataloader()]
    assert len(batches) == 2
    side = data.patch_size
    assert batches[0]["gt"].shape == (data.batch_size, 3, side, side)
    assert batches[0]["lq"].shape == (data.batch_size, 3, side // 4, side // 4)
    train = {item.name for item in data.train.items()}
    val = {item.name for item in data.val.items()}
    assert not train & val
    assert len(val) == 2


def test_a_real_tree_is_found_where_data_dir_says(tmp_path: Path) -> None:
    for name in ("DIV2K", "DIV2K_valid", "Flickr2K"):
        folder(tmp_path / name / "HR", [f"{name}-{i:02}" for i in range(12)], height=96, width=96)
    write(tmp_path / "Set5" / "HR" / "baby.png", 96, 96)
    data = built("data=df2k", "benchmark=set5", f"data_dir={tmp_path}", "scale=2")
    data.setup("fit")
    assert len(data.library["train"]) == 24
    assert len(data.library["val"]) == 10  # 0801 to 0810
    assert data.image_names("set5") == ["baby"]


def test_set5_from_the_benchmark_folder() -> None:
    data = built("benchmark=[set5,set14]", f"data_dir={benchmark_dir()}", "scale=3")
    data.setup("test")
    sizes = [len(data.image_names(name)) for name in data.test_names]
    assert sizes == [5, 14]
    grey = [bool(batch["grey"]) for batch in data.test_dataloader()[1]]
    assert [i for i, is_grey in enumerate(grey) if is_grey] == [2]  # img_003


@pytest.mark.parametrize("name", DATA)
def test_the_readme_of_the_data_folder_knows_every_tree(name: str) -> None:
    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    for part in SETS.get(name, ([], ""))[0]:
        assert f"{part}/" in text
    assert f"data={name}" in text


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_readme_of_the_data_folder_knows_every_benchmark(name: str) -> None:
    assert f"benchmark={name}" in (ROOT / "data" / "README.md").read_text(encoding="utf-8")
