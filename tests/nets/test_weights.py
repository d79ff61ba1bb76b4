"""Weight files of every wrapping, and files that are none."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sr_experiments.nets.edsr import EDSR
from sr_experiments.nets.weights import load_matching, read_state_dict

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
