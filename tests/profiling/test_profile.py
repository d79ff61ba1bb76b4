"""What nets cost: turns, ways, memory, order, and the task as it is typed. No time is asserted."""

import itertools
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig
from torch import Tensor

from sr_experiments.profiling import realtime, ways
from sr_experiments.profiling.clock import LEAST, Times, take_turns
from sr_experiments.profiling.measure import AtSize, Profile, Way, at_size
from sr_experiments.profiling.memory import peak_on_cpu
from sr_experiments.profiling.picture import draw
from sr_experiments.profiling.subjects import Quality, Subject, subjects
from sr_experiments.profiling.table import as_data, beaten_by, common_set, markdown, ordered, times, worth
from sr_experiments.profiling.ways import Unavailable, prepare
from tests.nets.toys import build_net
from tests.tasks.runs import photographs, run, toy_config
from tests.test_cli import run_cli


def test_ways_take_turns_and_quartiles_are_those_of_their_calls() -> None:
    now, called = [0.0], ""

    def taking(name: str, seconds: list[float]) -> Any:
        steps = itertools.chain([100.0], seconds)  # the first call is not counted

        def call() -> None:
            nonlocal called
            called += name
            now[0] += next(steps)

        return call

    calls = {"a": taking("a", [1, 2, 3, 4, 5]), "b": taking("b", [10, 10, 10, 10, 50])}
    found = take_turns(calls, rounds=5, seconds=1e9, clock=lambda: now[0])
    assert called == "ab" + "ab" + "ba" + "ab" + "ba" + "ab"
    assert found == {"a": Times(3, 2, 4, 5), "b": Times(10, 10, 10, 5)}


def test_no_round_begins_after_the_time_is_up() -> None:
    now = [0.0]

    def call() -> None:
        now[0] += 1.0

    assert take_turns({"a": call}, rounds=50, seconds=7.5, clock=lambda: now[0])["a"].rounds == 8
    assert take_turns({"a": call}, rounds=50, seconds=0.1, clock=lambda: now[0])["a"].rounds == LEAST


@pytest.mark.parametrize("way", ["eager", "channels_last", "bf16", "onnx"])
@pytest.mark.parametrize("name", ["edsr_baseline", "bicubic"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the exporter's own code
def test_every_way_gives_the_same(name: str, way: str) -> None:
    torch.manual_seed(0)
    net = build_net(name, scale=2, toy=True).eval()
    lq = torch.rand(2, 3, 12, 16)
    with torch.no_grad():
        expected = net(lq)
    tolerance = 0.02 * float(expected.abs().max()) if way == "bf16" else 1e-5
    torch.testing.assert_close(prepare(way, net, lq)().float(), expected, rtol=0, atol=tolerance)


def test_a_way_that_fails_is_listed_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> Tensor:
        raise RuntimeError("no compiler was found\nand much more")

    monkeypatch.setattr(torch, "compile", broken)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    subject = toy("espcn")
    found = at_size(
        subject,
        (8, 8),
        ways=["eager", "compiled", "onnx"],
        batch=1,
        rounds=3,
        seconds=0.0,
        device=torch.device("cpu"),
    )
    assert found.ways["compiled"].why == "RuntimeError: no compiler was found"
    why = found.ways["onnx"].why
    assert why is not None
    assert re.fullmatch(
        r'needs a package that is not installed \(.*onnxruntime.*\): pip install "sr-experiments\[onnx\]"',
        why,
    )
    best = found.best()
    assert best is not None
    assert best[0] == "eager"
    profile = Profile(subject, 1, 1, None, [found])
    text = markdown([times([profile], 0)], [])
    assert "| espcn | compiled | no |" in text
    assert "- no: compiled of espcn: RuntimeError: no compiler was found" in text
    assert draw([profile], dataset=None, title="t", note="n").shape[1:] == (1200, 3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_size_that_the_net_does_not_take_is_padded() -> None:
    subject = toy("unet", scale=2)
    found = at_size(
        subject, (7, 9), ways=["eager"], batch=1, rounds=3, seconds=0.0, device=torch.device("cpu")
    )
    assert found.ways["eager"].times is not None
    assert (found.height, found.width) == (7, 9)


def test_peak_memory_is_at_least_the_output_and_not_much_more() -> None:
    node = {
        "_target_": "sr_experiments.nets.baselines.Interpolation",
        "scale": 8,
        "in_channels": 3,
        "kernel": "nearest",
    }
    output = 4 * 3 * 2048**2  # bytes
    assert 0.95 * output < peak_on_cpu(node, shape=(1, 3, 256, 256)) < 4 * output


def test_a_process_that_fails_says_why() -> None:
    node = {"_target_": "sr_experiments.nets.espcn.ESPCN", "scale": 7}
    with pytest.raises(RuntimeError, match=r"a process of its own failed: .*scale=7: ESPCN"):
        peak_on_cpu(node, shape=(1, 3, 8, 8))


def toy(name: str, scale: int = 2) -> Subject:
    return Subject(name, build_net(name, scale=scale, toy=True).eval(), {})


def made(name: str, cost: int | None, psnr: float | None, bicubic: float | None = 28.0) -> Profile:
    quality = {} if psnr is None else {"set5": Quality(psnr, bicubic, "a paper")}
    subject = Subject(name, toy("bicubic").net, {}, quality)
    one = Way(Times(0.010, 0.009, 0.012, 5), differs=0.0)
    return Profile(subject, 10, cost, None, [AtSize(8, 9, 1, {"eager": one})])


def test_quality_per_cost_puts_them_in_order() -> None:
    cheap, good, bad = made("cheap", 10**10, 30.0), made("good", 10**12, 32.0), made("bad", 10**12, 29.0)
    unknown, odd, free = made("unknown", 10**9, None), made("odd", None, 33.0), made("bicubic", 0, 28.0)
    profiles = [bad, unknown, good, odd, cheap, free]
    assert common_set([one.subject for one in profiles], None) == "set5"
    assert worth(cheap, "set5") == pytest.approx(200.0)  # 2 dB for a hundredth of a tera
    assert worth(good, "set5") == pytest.approx(4.0)
    names = [one.subject.name for one in ordered(profiles, "set5")]
    assert names == ["cheap", "good", "bad", "bicubic", "unknown", "odd"]
    beaten = {one.subject.name: beaten_by(one, profiles, "set5") for one in profiles}
    assert beaten == {
        "bad": "good",
        "cheap": "",
        "good": "",
        "bicubic": "",
        "unknown": None,
        "odd": None,
    }
    assert draw(profiles, dataset="set5", title="t", note="n").shape[0] > 400
    with pytest.raises(ValueError, match=r"quality=set14: no figure of any .* there are those of set5"):
        common_set([one.subject for one in profiles], "set14")


def test_data_are_what_was_measured() -> None:
    (one,) = as_data([made("good", 10**12, 32.0)], "set5")
    assert one["decibels_per_tera"] == pytest.approx(4.0)
    assert one["quality"]["set5"]["psnr"] == 32.0
    assert one["sizes"][0]["ways"]["eager"]["times"] == {
        "median": 0.010,
        "low": 0.009,
        "high": 0.012,
        "rounds": 5,
    }
    (row,) = times([made("good", 10**12, 32.0)], 0).rows
    # x2: 100 images of 8x9 a second are 28,800 pixels
    assert row == ["good", "eager", "10.0", "9.0-12.0", "100", "0.0288", "1.00", "-"]


SMALL = ["task=profile", "trainer=cpu", "repeats=3", "seconds=0.01", "scale=2"]


def test_the_task_as_it_is_typed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "models=edsr_baseline,rcan,bicubic",
        "ways=eager,channels_last",
        "memory=false",
        "sizes=[[8,10]]",
    ]
    assert run_cli(monkeypatch, tmp_path, *SMALL, *words, "run=out") == 0
    said = capsys.readouterr().out
    assert "whole image" in said
    assert "out/profile.md" in said
    content = json.loads((tmp_path / "out" / "profile.json").read_text(encoding="utf-8"))
    assert set(content) == {"machine", "notes", "nets"}
    assert set(content["machine"]) == {"device", "threads", "cores", "torch", "python"}
    by_name = {one["name"]: one for one in content["nets"]}
    assert list(by_name) == ["edsr_baseline", "rcan", "bicubic"]  # 12.3 and 1.4 dB for a tera, and none
    edsr, rcan = by_name["edsr_baseline"], by_name["rcan"]
    assert (edsr["parameters"], round(edsr["multiply_adds"] / 1e9, 1)) == (1_369_859, 316.2)
    assert edsr["reach"] == {"radius": 36, "height": 72, "width": 72, "step": 1}
    assert rcan["reach"] is None
    assert rcan["quality"]["set5"]["psnr"] == 38.27  # of the RCAN paper
    (size,) = edsr["sizes"]
    assert (size["height"], size["width"], size["batch"]) == (8, 10, 1)
    assert set(size["ways"]) == {"eager", "channels_last"}
    assert size["ways"]["eager"]["times"]["rounds"] == 3
    assert (tmp_path / "out" / "profile.png").stat().st_size > 1000
    page = (tmp_path / "out" / "profile.md").read_text(encoding="utf-8")
    assert "| rcan | 15.4 M | 3.53 T | whole image | - | 38.27 | +4.61 | 1.31 | - |" in page
    record = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert (record["task"], record["status"]) == ("profile", "finished")


def test_runs_bring_their_quality(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = photographs(tmp_path / "photos", count=2)
    for name in ("espcn", "bicubic"):
        run(photos, tmp_path / "runs" / name, model=name)
    measured = json.loads((tmp_path / "runs" / "espcn" / "run.json").read_text(encoding="utf-8"))["metrics"]
    words = ["ways=eager", "memory=false", "sizes=[[8,8]]", "output=page"]
    assert run_cli(monkeypatch, tmp_path, *SMALL, *words, "runs=runs/espcn") == 0
    (one,) = json.loads((tmp_path / "page" / "profile.json").read_text(encoding="utf-8"))["nets"]
    assert one["name"] == "toy (espcn)"
    assert one["quality"]["folder"]["psnr"] == measured["folder"]["psnr_y"]
    assert one["quality"]["folder"]["bicubic"] == measured["folder"]["bicubic"]["psnr_y"]
    assert run_cli(monkeypatch, tmp_path, *SMALL, *words, "checkpoint=runs/espcn") == 0
    assert "toy" in capsys.readouterr().out


def test_papers_say_nothing_of_measured_values(tmp_path: Path) -> None:
    """Their images are photographs: no net of Hounsfield units was measured on them."""
    for name in ("edsr_baseline", "bicubic"):
        words = [f"name={name}", "channels=1"]
        (plain,) = _subjects(toy_config(tmp_path, *words, model=name))
        assert name != "bicubic" or plain.quality["set5"].psnr == 33.66
        (ranged,) = _subjects(toy_config(tmp_path, *words, "data.range=[-1024,3071]", model=name))
        (bands,) = _subjects(toy_config(tmp_path, *words[:1], "channels=5", model=name))
        assert ranged.quality == bands.quality == {}


def test_a_run_of_measured_values_brings_its_quality(tmp_path: Path) -> None:
    words = ["data.range=[0,255]", "channels=1"]
    photos = photographs(tmp_path / "photos", count=2)
    measured = run(photos, tmp_path / "run", *words)["metrics"]["folder"]
    config = toy_config(photos)
    (one,) = subjects(config, models=[], checkpoint=str(tmp_path / "run"), runs=[])
    expected = Quality(measured["psnr_16"], measured["bicubic"]["psnr_16"], str(tmp_path / "run"))
    assert one.quality == {"folder": expected}


def _subjects(config: DictConfig) -> list[Subject]:
    return subjects(config, models=[], checkpoint=None, runs=[])


def test_which_nets_keep_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(realtime, "OUTPUTS", ((8, 16), (16, 32)))
    monkeypatch.setattr("sr_experiments.tasks.profile.OUTPUTS", realtime.OUTPUTS)
    monkeypatch.setattr(realtime, "FRAMES", 1e-3)  # nothing is that slow
    words = ["realtime=true", "models=bicubic,espcn", "ways=eager,channels_last", "run=out"]
    assert run_cli(monkeypatch, tmp_path, *SMALL, *words) == 0
    said = capsys.readouterr().out
    assert "24 frames/s at an output of 32x16: bicubic, espcn" in said
    content = json.loads((tmp_path / "out" / "profile.json").read_text(encoding="utf-8"))
    for one in content["nets"]:
        for speed in one["speeds"]:
            assert speed["frames_per_second"] == pytest.approx(1 / speed["times"]["median"])


def test_a_size_beyond_one_that_is_too_slow_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime, "FRAMES", 1e9)  # nothing is that fast
    monkeypatch.setattr(realtime, "OUTPUTS", ((8, 16), (16, 32)))
    one = realtime.film(
        toy("bicubic"), 0, ways=["eager", "bf16"], rounds=3, seconds=0.0, device=torch.device("cpu")
    )
    assert one.speeds[0] is not None
    assert one.speeds[0].others == {"bf16": "not tried: too slow by far"}
    assert one.speeds[1] is None
    assert realtime.keeping_up([one]) == ["16x8: none", "32x16: none"]
    assert realtime.frames([one]).rows[0][-1] == "-"


def test_large_nets_are_no_candidates_for_video() -> None:
    assert realtime.quick(toy("srvgg_small")) is not None
    assert realtime.quick(Subject("edsr", build_net("edsr", scale=2).eval(), {})) is None
    assert realtime.inputs(2)[2] == (360, 640)
    assert realtime.inputs(3)[0] == (120, 214)  # 640 / 3, rounded up


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["models=rcna"], "models=rcna: no such model. Did you mean 'rcan'? There are: autoencoder, "),
        (["models=rcan", "checkpoint=run"], "models= and checkpoint=: give one of them"),
        (["ways=eager,eagre"], "ways=eagre: no such way. Did you mean 'eager'? There are: eager, "),
        (
            ["model=guided", "guide_channels=3"],
            "guided is given a second image, its guide: task=profile times nets of one image",
        ),
        (["ways=[]"], "task.ways is empty: choose of eager, "),
        (["sizes=[64,64]"], "task.sizes"),
        (["sizes=[[64]]"], "task.sizes=[[64]]: give heights and widths of lq, as sizes=[[64,64],[180,320]]"),
        (["sizes=[[64,-1]]"], "task.sizes=[[64, -1]]: give heights and widths of lq"),
        (["batch=0"], "task.batch=0: must be more than 0"),
        (["repeats=0"], "task.repeats=0: must be more than 0"),
        (["seconds=-1"], "task.seconds=-1"),
        (["runs=nowhere"], "runs=nowhere: there is no such folder"),
        (["checkpoint=nowhere"], "checkpoint=nowhere: there is no such run, checkpoint or weight file"),
        (
            ["model=espcn", "quality=set5", "ways=eager", "memory=false", "sizes=[[8,8]]"],
            "quality=set5: no figure of any of these nets is known there; there are none at all",
        ),
    ],
)
def test_mistakes(
    typed: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_cli(monkeypatch, tmp_path, "task=profile", "trainer=cpu", *typed) == 2
    said = capsys.readouterr().err
    assert f"error: {told}" in said
    assert "Traceback" not in said


def test_without_the_exporter_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(Unavailable, match=r'pip install "sr-experiments\[onnx\]"'):
        prepare("onnx", toy("espcn").net, torch.rand(1, 3, 8, 8))
    assert set(ways.TOLD) == set(ways.WAYS)
