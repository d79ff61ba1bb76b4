"""Configs of very many runs: the same as Hydra composes, in less time."""

from collections.abc import Iterator, Sequence

import pytest
from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf

from sr_experiments.config import register
from sr_experiments.paths import conf_dir
from sr_experiments.sweeps import preview
from sr_experiments.sweeps.book import Book
from sr_experiments.sweeps.compose import Composer
from sr_experiments.sweeps.launch import Setting
from sr_experiments.sweeps.looks import ENOUGH
from sr_experiments.sweeps.preview import UNSEEN, plan


class Counted(Setting):
    """Says how often Hydra composed, in which order."""

    def composed(self, overrides: Sequence[str], *, number: int) -> DictConfig:
        calls.append(number)
        return super().composed(overrides, number=number)


calls: list[int] = []


@pytest.fixture
def setting() -> Iterator[Counted]:
    register()
    calls.clear()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks())
        master = hydra.compose_config(
            "config", ["hydra.job.name=test"], RunMode.MULTIRUN, with_log_configuration=False
        )
        yield Counted(context, lambda config: None, master)


RUNS = [
    ["model=espcn", "optimizer.lr=1e-4", "seed=1"],
    ["model=espcn", "optimizer.lr=2e-4", "seed=1"],
    ["model=espcn", "optimizer.lr=2e-4", "seed=7"],
    ["model=espcn", "optimizer.lr=null", "seed=7"],
    ["model=espcn", "optimizer.lr='a b'", "seed=7"],
    ["model=espcn", "scale=2", "data.patch_size=96", "seed=7"],
    ["model=espcn", "scale=3", "data.patch_size=96", "seed=7"],
    ["model=rcan", "net.blocks=2", "seed=7"],
    ["model=rcan", "net.blocks=3", "seed=8"],
    ["model=rcan", "seed=8", "seed=9"],
    ["model=rcan", "seed=9", "seed=8"],
    ["model=rcan", "+trainer.x=1"],
    ["model=rcan", "+trainer.x=2"],
    ["model=rcan", "optimizer={lr: 1e-3}", "optimizer.lr=3e-3"],
    ["model=rcan", "optimizer={lr: 1e-5}", "optimizer.lr=3e-3"],
    ["data.augment.crop_scale=[1,2]"],
    ["data.augment.crop_scale=null"],
    ["name=${scale}", "hydra.sweep.subdir=a"],
    ["name=${seed}", "hydra.sweep.subdir=a"],
    ["~callbacks.images"],
]


def test_it_is_what_hydra_composes(setting: Counted) -> None:
    """Where values are updated, and where a run is composed anew."""
    composer = Composer(setting)
    for number, overrides in enumerate(RUNS):
        ours = OmegaConf.to_yaml(composer.config(overrides, number=number))
        theirs = Setting(setting.context, setting.task, setting.config).composed(overrides, number=number)
        assert ours == OmegaConf.to_yaml(theirs), overrides
    assert calls == [0, 5, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19]


@pytest.mark.parametrize("wrong", ["optimizer.rate=1", "seed=abc", "net.blocks=", "model=rcna"])
def test_it_refuses_what_hydra_refuses(setting: Counted, wrong: str) -> None:
    composer = Composer(setting)
    composer.config(["model=espcn", "optimizer.lr=1", "seed=1"], number=0)
    typed = {"seed=abc": ["model=espcn", "optimizer.lr=1", wrong]}.get(wrong, [wrong])
    if wrong == "net.blocks=":
        typed = ["model=espcn", "net.blocks=2"]
    with pytest.raises(HydraException):
        composer.config(typed, number=1)
    assert composer.config(["model=espcn", "optimizer.lr=2", "seed=1"], number=2).optimizer.lr == 2


def planned(setting: Setting, combinations: list[list[str]]) -> list[tuple[str, str]]:
    book = Book(setting.folder)
    return [(one.status, one.source) for one in plan(setting, book, combinations, clock=None)]


def test_each_value_is_looked_at_once(setting: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    checked = preview.checked

    def noting(whole: DictConfig) -> DictConfig:
        looked.append(whole.hydra.job.num)
        return checked(whole)

    monkeypatch.setattr(preview, "checked", noting)
    runs = [
        [f"model={model}", f"optimizer.lr={rate}", f"seed={seed}"]
        for model in ("espcn", "rcan")
        for rate in ("1e-4", "2e-4")
        for seed in range(20)
    ]
    assert planned(setting, runs) == [("waiting", "")] * 80
    assert looked == [0, 20, 40, 60]
    assert calls == [0, 40]


def test_a_mistake_is_that_of_all_runs_that_have_it(setting: Counted) -> None:
    runs = [
        [f"optimizer.lr={rate}", f"seed={seed}"]
        for rate in ("1e-4", "abc", "2e-4")
        for seed in (*range(40), -1)
    ]
    found = planned(setting, runs)
    right = [entry for entry in found if entry == ("waiting", "")]
    assert len(right) == 2 * 40
    assert found[40] == ("mistake", "seed=-1: must be 0 or more")
    assert {source.split(":")[0] for status, source in found[41:81]} == {"optimizer.lr='abc'"}
    both = found[81][1]
    assert "seed=-1: must be 0 or more" in both or "optimizer.lr='abc'" in both


def test_values_that_are_judged_together(setting: Counted) -> None:
    """Each of them is right with the other one as it was."""
    runs = [
        [f"trainer.accelerator={kind}", f"trainer.devices={count}"]
        for kind in ("gpu", "cpu")
        for count in ("1", "[0]")
    ]
    runs = [runs[0], runs[1], runs[2], runs[3]]
    assert [status for status, _ in planned(setting, runs)] == ["waiting", "waiting", "waiting", "mistake"]


def test_where_everything_is_wrong_the_rest_can_wait(setting: Counted) -> None:
    runs = [["scale=0", f"optimizer.lr={number}e-4"] for number in range(1, ENOUGH + 4)]
    found = planned(setting, runs)
    assert [source for _, source in found[:ENOUGH]] == ["scale=0: must be 1 or more"] * ENOUGH
    assert found[ENOUGH:] == [("mistake", UNSEEN)] * 3
