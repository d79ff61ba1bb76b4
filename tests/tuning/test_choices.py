"""What is chosen for a run, and why; and that it is chosen once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig

from sr_experiments.build import build_trainer
from sr_experiments.config import GRAPHS
from sr_experiments.models.layout import lay_out
from sr_experiments.tasks import timing
from sr_experiments.tuning import remembered
from sr_experiments.tuning.budget import planned_batches, planned_steps, seconds_allowed
from sr_experiments.tuning.choices import Choices, by_rule, quickest, settle, told_times
from sr_experiments.tuning.compiling import Mode, best_mode, modes, pays
from sr_experiments.tuning.remembered import Remembered
from sr_experiments.tuning.trial import Trial, Way
from tests.nets.toys import build_net, net_names
from tests.tasks.runs import photographs, toy_config

FIRST, LAST = Way("32-true", "contiguous"), Way("32-true", "channels_last")
LONG = ("data.steps_per_epoch=1000", "trainer.max_epochs=300", "precision=32-true")
Config = Callable[..., DictConfig]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Makes toy configs; what is measured is kept in a folder of the test's own."""
    monkeypatch.setenv("SR_CACHE_DIR", str(tmp_path / "cache"))
    root = photographs(tmp_path / "photographs", count=2)
    return lambda *overrides: toy_config(root, *overrides)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """In place of a clock: seconds by way, what compiling tells, and how often each was asked."""
    told: dict[str, Any] = {
        "seconds": {str(FIRST): 0.2, str(LAST): 0.1},
        "compiled": {"warm_up": 30.0, "compiled": 0.05, "eager": 0.1},
        "asked": [],
    }

    def seconds(trial: Trial, ways: list[Way]) -> dict[str, float]:
        told["asked"].append("seconds")
        return dict(told["seconds"])

    def compiled(trial: Trial, way: Way, *, beside: Way, graphs: bool) -> dict[str, float]:
        told["asked"].append(f"{way} compiled")
        return dict(told["compiled"])

    monkeypatch.setattr(Trial, "seconds", seconds)
    monkeypatch.setattr(Trial, "compiled", compiled)
    return told


def test_a_short_run_gets_a_fixed_answer(config: Config, clock: dict[str, Any]) -> None:
    """Tests and toys must not depend on a clock."""
    chosen = settle(config("precision=32-true"))
    reason = "others are tried for runs of 10000 steps or more, and this one has 2"
    assert chosen == Choices("32-true", "contiguous", False, True, False, reason)
    assert chosen.told() == f"settings: 32-true, contiguous, not compiled, fused optimizer ({reason})"
    assert clock["asked"] == []


def test_a_cpu_with_units_for_bfloat16_has_channels_last(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    for units, expected in ((True, ("bf16-mixed", "channels_last")), (False, ("32-true", "contiguous"))):
        monkeypatch.setattr("sr_experiments.devices._cpu_has_bfloat16", lambda units=units: units)
        chosen = settle(config("precision=auto"))
        assert (chosen.precision, chosen.memory_format) == expected


@pytest.mark.parametrize(
    ("more", "environment", "reason"),
    [
        ("trainer.deterministic=true", {}, "trainer.deterministic: nothing is chosen by a clock"),
        (
            "trainer.max_time='00:00:05:00'",
            {},
            "others are tried for runs that may last 10 minutes or more",
        ),
        (
            "seed=0",
            {"TORCHELASTIC_RUN_ID": "1"},
            "its processes are started by others, and all of them must choose alike",
        ),
        ("trainer.accelerator=mps", {}, "no other was tried on this kind of device"),
    ],
)
def test_no_clock_is_asked_where_all_must_be_fixed(
    more: str,
    environment: dict[str, str],
    reason: str,
    config: Config,
    clock: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in more)
    chosen = settle(config(*LONG, more))
    assert (chosen.memory_format, chosen.compile, chosen.reason) == ("contiguous", False, reason)
    assert clock["asked"] == []


def test_what_is_fixed_by_hand_stays(config: Config, clock: dict[str, Any]) -> None:
    chosen = settle(config(*LONG, "memory_format=contiguous", "compile=false"))
    assert (chosen.memory_format, chosen.compile, chosen.reason) == ("contiguous", False, "as asked")
    assert clock["asked"] == []
    chosen = settle(config("memory_format=channels_last", "compile=true"))
    assert (chosen.memory_format, chosen.compile) == ("channels_last", True)


def test_the_quickest_is_taken_and_remembered(config: Config, clock: dict[str, Any]) -> None:
    """The same command must choose the same again, whatever the clock says then."""
    chosen = settle(config(*LONG))
    reason = (
        "measured here, forward and backward: 32-true channels_last 100 ms, 32-true contiguous 200 ms; "
        "compiling takes 30 s, and a step 50 ms in place of 100 ms"
    )
    assert chosen == Choices("32-true", "contiguous", True, True, False, reason), (
        "a compiler lays out by itself"
    )
    clock["seconds"] = {str(FIRST): 0.1, str(LAST): 0.2}
    clock["compiled"] = {"failed": "no compiler"}
    assert settle(config(*LONG)) == chosen
    assert clock["asked"] == ["seconds", "32-true contiguous compiled"]
    (path,) = remembered.folder().iterdir()
    kept = json.loads(path.read_text())
    assert kept["of"]["batch"] == [[2, 3, 8, 8]]
    assert kept["measured"]["seconds"] == {str(FIRST): 0.2, str(LAST): 0.1}


def test_a_preview_times_the_settings_that_the_run_will_have(
    config: Config, clock: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It once timed those of the rule, as a preview of eight steps is a short run."""
    timed: list[dict[str, Any]] = []

    def noted(*given: Any, model: Any) -> Any:
        timed.append(model.choices)
        return build_trainer(*given, model=model)

    monkeypatch.setattr(timing, "build_trainer", noted)
    made = config(*LONG, "compile=false")
    assert timing.measure(made) is not None
    assert [one["memory_format"] for one in timed] == ["channels_last"], "the rule says contiguous"
    assert timed == [settle(made).as_dict()]
    assert clock["asked"] == ["seconds"], "the run takes what is remembered"


def test_times_are_plain_numbers_each_with_its_way() -> None:
    """There was `1.17e+03 ms`, and nothing said of which way."""
    times = {str(FIRST): 1.1744, str(LAST): 0.98765, "bf16-mixed contiguous": 0.0123456}
    assert told_times(FIRST, times) == (
        "measured here, forward and backward: 32-true contiguous 1174 ms, 32-true channels_last 988 ms, "
        "bf16-mixed contiguous 12.3 ms"
    )
    assert told_times(FIRST, {}) == "none of them works here by itself"
    _, words = pays({"warm_up": 31.6, "compiled": 1.2345, "eager": 2.3456}, left=1e6)
    assert words == "compiling takes 32 s, and a step 1234 ms in place of 2346 ms"


def test_another_batch_or_net_is_measured_by_itself(config: Config, clock: dict[str, Any]) -> None:
    for more in ("seed=0", "seed=1", "data.batch_size=4", "net.features=8", "optimizer.lr=1e-3"):
        settle(config(*LONG, "compile=false", more))
    assert clock["asked"] == ["seconds"] * 3, "neither a seed nor a rate takes time"


def test_compiling_is_not_tried_where_it_would_take_too_much_of_the_run(
    config: Config, clock: dict[str, Any]
) -> None:
    """ESPCN's few layers are taken to need some 40 s, and 2 % of 12,000 steps of 0.1 s are 24 s."""
    clock["seconds"] = {str(FIRST): 0.1, str(LAST): 0.1}
    chosen = settle(config(*LONG, "trainer.max_epochs=12"))
    assert not chosen.compile
    assert clock["asked"] == ["seconds"]
    clock["seconds"] = {str(FIRST): 1.0, str(LAST): 1.0}
    assert settle(config(*LONG, "trainer.max_epochs=12", "data.batch_size=3")).compile


def test_a_layout_that_does_not_work_is_not_taken(config: Config, clock: dict[str, Any]) -> None:
    clock["seconds"] = {str(FIRST): 0.2, str(LAST): "RuntimeError: view size is not compatible"}
    chosen = settle(config(*LONG, "compile=false"))
    assert chosen.memory_format == "contiguous"
    clock["seconds"] = {str(FIRST): "RuntimeError: out of memory", str(LAST): "RuntimeError: out of memory"}
    chosen = settle(config(*LONG, "compile=false", "data.batch_size=5"))
    assert (chosen.memory_format, chosen.reason) == ("contiguous", "none of them works here by itself")


def test_less_than_the_noise_changes_nothing() -> None:
    times = {str(FIRST): 1.0, str(LAST): 0.98}
    assert quickest(FIRST, [FIRST, LAST], times) == FIRST
    assert quickest(FIRST, [FIRST, LAST], times | {str(LAST): 0.96}) == LAST


@pytest.mark.parametrize(
    ("left", "compiled", "expected"),
    [(1000.0, 0.5, True), (50.0, 0.5, False), (1e6, 0.98, False), (1e6, 1.2, False)],
)
def test_compiling_must_gain_more_than_it_takes(left: float, compiled: float, expected: bool) -> None:
    """Half of 1000 s is more than 40 s, half of 50 s is not; 2 % may be noise."""
    found = {"warm_up": 40.0, "compiled": compiled, "eager": 1.0}
    assert pays(found, left=left)[0] is expected


def test_a_compiler_that_is_missing_is_told() -> None:
    assert pays({"failed": "no g++"}, left=1e6) == (False, "compiling failed (no g++)")


@pytest.mark.parametrize(
    ("plain", "graphs", "expected"),
    [(0.5, 0.2, GRAPHS), (0.5, 0.51, GRAPHS), (0.5, 0.53, True), (0.5, None, True), (1.0, 0.5, GRAPHS)],
)
def test_graphs_are_taken_where_they_are_not_slower(
    plain: float, graphs: float | None, expected: Mode
) -> None:
    """A run launches more than a trial does; 3 % is within what times differ by."""
    found: dict[Mode, dict[str, Any]] = {True: {"warm_up": 40.0, "compiled": plain, "eager": 1.0}}
    found[GRAPHS] = found[True] | {"compiled": graphs} if graphs else {"failed": "no room"}
    mode, words = best_mode(found, left=1e5)
    assert mode == expected
    assert words.startswith("compiled: compiling takes 40 s, and a step ")
    assert "; compiled into CUDA graphs: compiling " in words
    assert best_mode(found, left=1.0)[0] is False, "a short run pays for neither"


@pytest.mark.parametrize(
    ("more", "gpus", "expected"),
    [
        ("seed=0", 1, [True, GRAPHS]),
        ("trainer.devices=auto", 1, [True, GRAPHS]),
        ("trainer.devices=[0]", 1, [True, GRAPHS]),
        ("trainer.devices=auto", 2, [True]),
        ("trainer.devices=2", 2, [True]),
        ("trainer.devices=[0,1]", 2, [True]),
        ("trainer.accumulate_grad_batches=2", 1, [True]),
    ],
)
def test_graphs_are_tried_on_one_gpu_and_where_a_batch_has_a_step(
    more: str, gpus: int, expected: list[Mode], config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert modes(config("trainer=gpu", more), torch.device("cuda")) == expected
    assert modes(config(), torch.device("cpu")) == [True]


def test_graphs_are_refused_where_there_are_none(config: Config) -> None:
    with pytest.raises(ValueError, match=r"compile=reduce-overhead records CUDA graphs, .* trains on cpu"):
        settle(config("compile=reduce-overhead"))


def test_a_run_that_continues_takes_what_it_was_begun_with(config: Config, clock: dict[str, Any]) -> None:
    begun = {"precision": "bf16-mixed", "memory_format": "channels_last", "compile": True, "reason": "once"}
    chosen = settle(config(*LONG[:2], "precision=auto"), recorded=begun)
    assert (chosen.precision, chosen.memory_format, chosen.compile) == ("bf16-mixed", "channels_last", True)
    assert chosen.reason == "once"
    fixed = settle(config(*LONG, "memory_format=contiguous"), recorded=begun)
    assert (fixed.precision, fixed.memory_format, fixed.compile) == ("32-true", "contiguous", True)
    assert clock["asked"] == []


def test_a_run_that_continues_where_no_graphs_are_has_the_same_kernels(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph would write a batch's gradients over those that `accumulate_grad_batches` adds them to."""
    begun = {"precision": "32-true", "memory_format": "contiguous", "compile": GRAPHS, "reason": "once"}
    assert settle(config(*LONG), recorded=begun).compile is True, "on the CPU"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert settle(config(*LONG, "trainer=gpu"), recorded=begun).compile == GRAPHS
    summed = config(*LONG, "trainer=gpu", "trainer.accumulate_grad_batches=2")
    assert settle(summed, recorded=begun).compile is True


def test_the_other_processes_have_nothing_left_to_choose(config: Config, clock: dict[str, Any]) -> None:
    chosen = settle(config(*LONG))
    told = chosen.into(config(*LONG))
    other = settle(told)
    assert (other.precision, other.memory_format, other.compile) == ("32-true", "contiguous", True)
    assert (other.fused, other.benchmark) == (chosen.fused, chosen.benchmark)
    assert len(clock["asked"]) == 2


def test_a_file_that_can_not_be_read_is_measured_anew(config: Config, clock: dict[str, Any]) -> None:
    settle(config(*LONG, "compile=false"))
    (path,) = remembered.folder().iterdir()
    for text in ("{", "[]", '{"measured": 1}', '{"measured": {"seconds": 3}}'):
        path.write_text(text)
        settle(config(*LONG, "compile=false"))
        assert json.loads(path.read_text())["measured"]["seconds"] == clock["seconds"]
    assert len(clock["asked"]) == 5


def test_a_disk_that_takes_nothing_ends_no_run(
    config: Config,
    clock: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SR_CACHE_DIR", str(tmp_path / "file"))
    assert settle(config(*LONG, "compile=false")).memory_format == "channels_last"
    assert "file/settings: Not a directory): the same command may choose otherwise" in caplog.text


def test_where_files_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SR_CACHE_DIR", "/a")
    assert remembered.folder() == Path("/a/settings")
    monkeypatch.delenv("SR_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert remembered.folder() == Path("/b/sr_experiments/settings")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert remembered.folder() == Path("~/.cache/sr_experiments/settings").expanduser()


@pytest.mark.parametrize(
    ("more", "steps", "batches"),
    [
        ("trainer.accumulate_grad_batches=2", 300_000, 600_000),
        ("trainer.max_epochs=-1", float("inf"), float("inf")),
        ("+trainer.max_steps=70", 70, 70),
    ],
)
def test_how_long_a_run_is(more: str, steps: float, batches: float, config: Config) -> None:
    made = config(*LONG, more)
    assert (planned_steps(made), planned_batches(made)) == (steps, batches)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("null", float("inf")),
        ("'01:02:03:04'", 93_784),
        ("'00:90:00:00'", 324_000),
    ],
)
def test_how_long_a_run_may_last(given: str, seconds: float, config: Config) -> None:
    assert seconds_allowed(config(f"trainer.max_time={given}")) == seconds


def test_a_device_that_is_not_there_is_refused_before_anything_is_tried(
    config: Config, clock: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long run for a GPU once made its trials on the CPU, and was refused after them."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match="torch finds no GPU here"):
        settle(config(*LONG, "trainer=gpu"))
    assert clock["asked"] == []


def test_what_a_gpu_gets(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Crops have one size, so cuDNN may try its algorithms; fp16's scaler forbids fused steps."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    chosen = by_rule(config("trainer=gpu", "precision=auto"))
    assert (chosen.precision, chosen.fused, chosen.benchmark) == ("bf16-mixed", True, True)
    assert not by_rule(config("trainer=gpu", "trainer.deterministic=true")).benchmark
    assert not by_rule(config("trainer=gpu", "trainer.benchmark=false")).benchmark
    assert not by_rule(config("trainer=gpu", "precision=16-mixed")).fused


@pytest.mark.parametrize("more", ["precision=auto", "guide_channels=3", "data.scales=[2,3]", "noisy"])
def test_a_trial_measures_the_real_net(
    more: str, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a net is given beside its image."""
    monkeypatch.setattr("sr_experiments.tuning.trial._SECONDS", 0.0)
    monkeypatch.setattr("sr_experiments.devices._cpu_has_bfloat16", lambda: True)
    model = {"guide_channels=3": "guided", "data.scales=[2,3]": "vdsr", "noisy": "noisy"}.get(more, "espcn")
    given = [] if more == "noisy" else [more]
    made = toy_config(tmp_path / "photographs", *given, *LONG[:2], "compile=false", model=model)
    state = torch.get_rng_state()
    chosen = settle(made)
    assert torch.equal(state, torch.get_rng_state())
    assert chosen.reason.startswith("measured here, forward and backward: ")
    (path,) = remembered.folder().iterdir()
    times = json.loads(path.read_text())["measured"]["seconds"]
    assert list(times) == [
        "bf16-mixed contiguous",
        "bf16-mixed channels_last",
        "32-true contiguous",
        "32-true channels_last",
    ]
    assert all(isinstance(value, float) and value > 0 for value in times.values()), times


def test_interpolation_has_nothing_to_try(config: Config, tmp_path: Path) -> None:
    made = toy_config(tmp_path / "photographs", *LONG, model="bicubic")
    assert settle(made).reason == "there is nothing to train"


def test_a_layout_changes_no_value() -> None:
    net = build_net("edsr", scale=2, toy=True)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    lay_out(net, "channels_last")
    assert net.get_parameter("body.0.body.0.weight").is_contiguous(memory_format=torch.channels_last)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    lay_out(net, "contiguous")
    assert all(parameter.is_contiguous() for parameter in net.parameters())


@pytest.mark.filterwarnings("ignore:torch.meshgrid", "ignore:'saved_variables' is deprecated")
@pytest.mark.parametrize("name", [name for name in net_names() if name != "guided"])
def test_a_fused_step_in_another_layout_is_the_step(name: str) -> None:
    """torch's fused steps on a CPU walk through weight, gradient and moments without a look at strides."""
    net = build_net(name, scale=2, toy=True).train()
    if not any(parameter.requires_grad for parameter in net.parameters()):
        return
    lay_out(net, "channels_last")
    side = net.multiple_of * -(-max(net.minimum, 8) // net.multiple_of)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        sr = net(torch.rand(2, net.in_channels, side, side))
    sr.float().square().mean().backward()
    ours = {key: one for key, one in net.named_parameters() if one.grad is not None}
    plain = {key: torch.nn.Parameter(one.detach().clone().contiguous()) for key, one in ours.items()}
    optimizer = torch.optim.Adam(ours.values(), lr=0.1, fused=True)
    reference = torch.optim.Adam(plain.values(), lr=0.1, foreach=False, fused=False)
    for sign in (1, -2):
        for key, one in ours.items():
            assert one.grad is not None
            plain[key].grad = sign * one.grad.contiguous()
            one.grad.mul_(sign)
        optimizer.step()
        reference.step()
        for key, one in ours.items():
            one.grad = None if one.grad is None else one.grad / sign
            torch.testing.assert_close(one, plain[key], rtol=1e-5, atol=1e-5)


def test_nothing_is_kept_of_what_breaks_off(config: Config) -> None:
    """What raises while it is measured is no measurement."""
    memory = Remembered({"a": 1})

    def breaks() -> dict[str, Any]:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        memory.get("seconds", breaks)
    assert Remembered({"a": 1}).get("seconds", lambda: {"x": 1.0}) == {"x": 1.0}


def test_a_file_that_can_not_be_kept_is_told_and_leaves_nothing_behind(config: Config) -> None:
    """What had been written of it stayed in the folder, a file more for each run."""
    memory = Remembered({"a": 1})
    memory.path.mkdir(parents=True)
    assert memory.get("seconds", lambda: {"x": 1.0}) == {"x": 1.0}
    assert memory.problem == f"{memory.path.parent}: Is a directory"
    assert list(memory.path.parent.iterdir()) == [memory.path]
