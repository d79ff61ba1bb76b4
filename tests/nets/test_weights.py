"""Weight files of every wrapping, and files that are none."""

import math
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sr_experiments.nets.base import SRNet
from sr_experiments.nets.edsr import EDSR
from sr_experiments.nets.espcn import ESPCN
from sr_experiments.nets.msrresnet import MSRResNet
from sr_experiments.nets.rcan import RCAN
from sr_experiments.nets.rrdbnet import RRDBNet
from sr_experiments.nets.srcnn import SRCNN
from sr_experiments.nets.srvgg import SRVGG
from sr_experiments.nets.vdsr import VDSR
from sr_experiments.nets.weights import load_exactly, load_matching, read_state_dict

STATE = {"a.weight": torch.ones(2, 3), "a.bias": torch.zeros(2)}


def same(found: dict[str, Tensor], expected: dict[str, Tensor] = STATE) -> None:
    assert list(found) == list(expected)
    for key, value in expected.items():
        assert torch.equal(found[key], value)


WRAPPINGS: dict[str, dict[str, Any]] = {
    "plain": STATE,
    "BasicSR": {"params": {"a.weight": torch.zeros(1)}, "params_ema": STATE},
    "BasicSR without averages": {"params": STATE},
    "state_dict": {"state_dict": STATE, "epoch": 3},
    "model": {"model": STATE, "optimizer": {"state": {}}},
    "nested": {"model": {"params": STATE}},
    "DataParallel": {f"module.{key}": value for key, value in STATE.items()},
    "compiled": {f"_orig_mod.{key}": value for key, value in STATE.items()},
    "with other things": {**STATE, "epoch": 3, "note": "text"},
    "Lightning": {
        "state_dict": {
            **{f"net.{key}": value for key, value in STATE.items()},
            "loss.kernel": torch.zeros(3),
        },
        "pytorch-lightning_version": "2",
    },
    "Lightning with averages": {
        "state_dict": {
            **{f"net.{key}": torch.full_like(value, 7) for key, value in STATE.items()},
            **{f"ema.{key}": value for key, value in STATE.items()},
        }
    },
    "Lightning with averages inside a module": {
        "state_dict": {f"ema.module.{key}": value for key, value in STATE.items()}
    },
}


@pytest.mark.parametrize("name", WRAPPINGS)
def test_every_wrapping(name: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(WRAPPINGS[name], path)
    same(read_state_dict(path))


def test_safetensors(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "weights.safetensors")
    found = read_state_dict(tmp_path / "weights.safetensors")
    same({key: found[key] for key in STATE})


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.pt: no such weight file"):
        read_state_dict(tmp_path / "absent.pt")


class Evil:
    """Would run a command when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return (Path.touch, (self.target,))


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "evil.pt"
    torch.save({"a": Evil(tmp_path / "touched")}, path)
    with pytest.raises(ValueError, match=r"evil\.pt: can not be opened as weights.*Found: "):
        read_state_dict(path)
    assert not (tmp_path / "touched").exists()


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "module.pt")
    with pytest.raises(ValueError, match=r"tensors saved by torch\.save without any other objects"):
        read_state_dict(tmp_path / "module.pt")


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_truncated_and_foreign_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights.{suffix}"
    if suffix == "pth":
        torch.save(STATE, path)
    else:
        save_file(STATE, path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"GIF89a" + bytes(40), pickle.dumps([1, 2])[:-3]):
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match=rf"weights\.{suffix}: can not be opened as weights. Expected a whole"
        ):
            read_state_dict(path)


def saved(content: Any, path: Path, **options: Any) -> bytes:
    torch.save(content, path, **options)
    return path.read_bytes()


def test_what_was_found_instead(tmp_path: Path) -> None:
    """Torch's own words advise to open the file with `weights_only=False`; ours do not."""
    large = {"a": torch.ones(1000)}
    zipped = saved(large, tmp_path / "a.pth")
    legacy = saved(large, tmp_path / "b.pth", _use_new_zipfile_serialization=False)
    save_file(large, tmp_path / "a.safetensors")
    tensors = (tmp_path / "a.safetensors").read_bytes()
    script = tmp_path / "script.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing is deprecated
        torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)).save(str(script))
    cases: list[tuple[str, bytes, str]] = [
        ("pth", b"", "an empty file"),
        ("safetensors", b"", "an empty file"),
        (
            "pth",
            b"\n<!DOCTYPE html><html><body>Not found</body></html>",
            "a web page, as a download leaves it",
        ),
        ("safetensors", b"<html><body>Not found</body></html>", "a web page, as a download leaves it"),
        ("pth", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a git-lfs pointer instead"),
        ("pth", zipped[: len(zipped) // 2], "the beginning of a PyTorch file, which breaks off"),
        ("safetensors", zipped[: len(zipped) // 2], "the beginning of a PyTorch file, which breaks off"),
        ("pth", legacy[:-100], "unexpected EOF, expected 100 more bytes"),
        ("safetensors", zipped, "a PyTorch file; call it .pth"),
        ("pth", tensors, "a safetensors file; call it .safetensors"),
        ("safetensors", tensors[:-8], "Error while deserializing header"),
        ("safetensors", (10**9).to_bytes(8, "little") + tensors[8:], "Error while deserializing header"),
        ("safetensors", tensors[:8] + b"x" + tensors[9:], "Error while deserializing header"),
        ("pth", script.read_bytes(), "a TorchScript program; save its state_dict instead"),
        (
            "pth",
            saved(nn.Linear(2, 2), tmp_path / "m.pth"),
            "a file that calls torch.nn.modules.linear.Linear",
        ),
        ("pth", pickle.dumps({"a": [1, 2]}, protocol=4), "nothing that torch.save wrote"),
        ("pth", b"8BPS" + bytes(60), "nothing that torch.save wrote"),
    ]
    for suffix, content, found in cases:
        path = tmp_path / f"weights.{suffix}"
        path.write_bytes(content)
        with pytest.raises(ValueError, match="can not be opened as weights") as caught:
            read_state_dict(path)
        assert f"Found: {found}" in str(caught.value)
        assert "weights_only" not in str(caught.value), found


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([torch.ones(1)], "a list"),
        (torch.ones(1), "a Tensor"),
        ({}, "an empty dict"),
        ({"epoch": 1, "best": 2.0}, "a dict with the keys 'epoch', 'best'"),
    ],
)
def test_no_state_dict_inside(content: Any, found: str, tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save(content, path)
    message = (
        rf"other\.pt: holds no state dict. Expected key -> tensor, or that .*params_ema, .*Found: {found}"
    )
    with pytest.raises(ValueError, match=message):
        read_state_dict(path)


def test_a_disk_error_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.pt"
    torch.save(STATE, path)

    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(PermissionError, match="Permission denied"):
        read_state_dict(path)


def test_weights_of_another_scale() -> None:
    """x4 starts from x2 (EDSR, section 3.2): all but the upsampler."""
    twice, four = EDSR(scale=2, features=4, blocks=1), EDSR(scale=3, features=4, blocks=1)
    before = four.state_dict()["tail.0.0.weight"].clone()
    report = load_matching(four, twice.state_dict())
    assert report.skipped == {
        "tail.0.0.weight": "shape (16, 4, 3, 3) in the file, (36, 4, 3, 3) in the net",
        "tail.0.0.bias": "shape (16,) in the file, (36,) in the net",
    }
    assert report.missing == ["tail.0.0.weight", "tail.0.0.bias"]
    assert len(report.loaded) == len(four.state_dict()) - 2
    after, source = four.state_dict(), twice.state_dict()
    assert torch.equal(after["body.0.body.0.weight"], source["body.0.body.0.weight"])
    assert torch.equal(after["tail.0.0.weight"], before)


def test_what_does_not_fit_is_named() -> None:
    linear = nn.Linear(2, 2)
    net = nn.Sequential(linear, nn.BatchNorm1d(2))
    state = {
        "0.weight": torch.full((2, 2), 3.0, dtype=torch.float64),
        "0.bias": torch.ones(2, dtype=torch.int64),
        "1.num_batches_tracked": torch.tensor(5),
        "1.running_mean": torch.ones(2, dtype=torch.complex64),
        "head.weight": torch.ones(1),
    }
    report = load_matching(net, state)
    assert report.loaded == ["0.weight", "1.num_batches_tracked"]
    assert report.skipped == {
        "0.bias": "torch.int64 in the file, torch.float32 in the net",
        "1.running_mean": "torch.complex64 in the file, torch.float32 in the net",
        "head.weight": "no such key in the net",
    }
    assert report.missing == ["0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"]
    assert linear.weight.dtype == torch.float32
    assert torch.equal(linear.weight, torch.full((2, 2), 3.0))


def test_files_without_the_mean_shift_load() -> None:
    net = EDSR(scale=2, features=4, blocks=1)
    state = {key: value for key, value in net.state_dict().items() if "mean" not in key}
    report = load_matching(net, state)
    assert report.skipped == {}
    assert report.missing == ["sub_mean.weight", "sub_mean.bias", "add_mean.weight", "add_mean.bias"]


def test_weights_with_infinities_are_not_started_from() -> None:
    linear = nn.Linear(2, 2)
    report = load_matching(linear, {"weight": torch.full((2, 2), math.nan), "bias": torch.ones(2)})
    assert report.skipped == {"weight": "contains NaN or infinity"}
    assert report.missing == ["weight"]
    assert torch.isfinite(linear.weight).all()


# load_exactly


def refusal(net: SRNet, state: dict[str, Tensor]) -> str:
    """What is said; and the net must be as it was."""
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(ValueError, match=r"^x\.pth: ") as caught:
        load_exactly(net, state, source="x.pth")
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key]), key
    return str(caught.value)


def test_exactly_the_weights() -> None:
    """Also from other floating types."""
    torch.manual_seed(0)
    source, net = (EDSR(scale=2, features=4, blocks=1) for _ in range(2))
    load_exactly(net, {key: value.double() for key, value in source.state_dict().items()}, source="x.pth")
    for key, value in net.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, source.state_dict()[key])


def test_a_refusal_says_what_was_expected_and_found() -> None:
    net = SRCNN(scale=2, in_channels=1, kernels=(9, 5, 5))
    state = SRCNN(scale=2, in_channels=1, kernels=(9, 1, 5)).state_dict()
    del state["conv1.bias"]
    state["extra"] = torch.zeros(1)
    assert refusal(net, state) == (
        "x.pth: does not fit SRCNN with scale=2 and channels=1. Expected 6 tensors, found 6.\n"
        "  1 missing: conv1.bias\n"
        "  1 unexpected: extra\n"
        "  1 of another shape or kind: conv2.weight: expected (32, 64, 5, 5), found (32, 64, 1, 1)"
    )


def test_a_refusal_names_the_first_few() -> None:
    net = EDSR(scale=2, features=4, blocks=2)
    state = EDSR(scale=2, features=4, blocks=9).state_dict()
    assert refusal(net, state) == (
        "x.pth: does not fit EDSR with scale=2 and channels=3. Expected 20 tensors, found 48.\n"
        "  2 missing: body.2.weight, body.2.bias\n"
        "  30 unexpected: body.2.body.0.weight, body.2.body.0.bias, body.2.body.2.weight, "
        "body.2.body.2.bias, and 26 more"
    )


def test_a_wrong_kind_of_number_is_refused() -> None:
    net = SRCNN(scale=2, in_channels=1)
    state = net.state_dict()
    message = refusal(net, state | {"conv1.bias": torch.zeros(64, dtype=torch.int64)})
    assert "conv1.bias: expected torch.float32, found torch.int64" in message
    message = refusal(net, state | {"conv1.bias": torch.zeros(64).to_sparse()})
    assert "conv1.bias: expected torch.float32, found torch.float32 torch.sparse_coo" in message


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_not_finite_are_refused(value: float) -> None:
    net = SRCNN(scale=2, in_channels=1)
    state = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    state["conv2.weight"][3, 1, 2, 2] = value
    assert refusal(net, state).startswith(
        "x.pth: conv2.weight contain NaN or infinity: the training that wrote"
    )
    state["conv3.bias"][0] = value
    assert refusal(net, state).startswith("x.pth: conv2.weight and 1 more tensors contain NaN or infinity")


def small(kind: Callable[..., SRNet], **values: Any) -> Callable[..., SRNet]:
    return lambda scale=4, in_channels=3, **others: kind(
        **{"scale": scale, "in_channels": in_channels} | values | others
    )


SMALL: dict[str, Callable[..., SRNet]] = {
    "edsr": small(EDSR, features=8, blocks=2),
    "rcan": small(RCAN, features=8, groups=1, blocks=1, reduction=2),
    "msrresnet": small(MSRResNet, features=8, blocks=1),
    "rrdbnet": small(RRDBNet, features=8, blocks=1, growth=4),
    "srvgg": small(SRVGG, features=8, convolutions=2),
    "srcnn": small(SRCNN),
    "vdsr": small(VDSR, features=8, depth=4),
    "espcn": small(ESPCN),
}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(("ours", "found"), [(3, 1), (1, 3), (3, 4), (1, 2)])
def test_a_hint_at_the_number_of_channels(name: str, ours: int, found: int) -> None:
    build = SMALL[name]
    message = refusal(build(in_channels=ours), build(in_channels=found).state_dict())
    has = f"{found} channel" if found == 1 else f"{found} channels"
    assert message.endswith(
        f"\n  Only the number of channels differs: the file's net has {has}. Give channels={found}."
    )


@pytest.mark.parametrize("name", sorted(set(SMALL) - {"srcnn", "vdsr"}))
@pytest.mark.parametrize(("ours", "found"), [(2, 4), (4, 2), (3, 2), (2, 3), (3, 4), (8, 2)])
def test_a_hint_at_the_scale(name: str, ours: int, found: int) -> None:
    build = SMALL[name]
    message = refusal(build(scale=ours), build(scale=found).state_dict())
    hint = f"\n  Only the enlarging part differs: the file's net has another scale than scale={ours}."
    assert message.endswith(hint)


@pytest.mark.parametrize("name", SMALL)
def test_no_hint_where_something_else_differs(name: str) -> None:
    """A wider net doubles sides just as a net of two channels does."""
    wide: dict[str, Any] = {"features": {"srcnn": (128, 64), "espcn": 128}.get(name, 16)}
    for channels in (1, 3):
        build = SMALL[name]
        message = refusal(build(in_channels=channels), build(in_channels=channels, **wide).state_dict())
        assert "Only" not in message
        state = build(in_channels=3 - channels // 2).state_dict()
        state["extra"] = torch.zeros(1)
        assert "number of channels" not in refusal(build(in_channels=channels), state)


def test_another_architecture() -> None:
    message = refusal(SMALL["vdsr"](), SMALL["rrdbnet"]().state_dict())
    assert message.endswith("\n  Not one name is shared: these are weights of another architecture.")
