"""A graph does at other sizes what its net does, as another program runs it; or it is refused in words."""

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sr_experiments.export.graphs import write_onnx, write_program
from sr_experiments.export.trial import converted, example, largest_difference, trials
from sr_experiments.nets.base import SRNet
from tests.nets.toys import build_net, net_names

pytestmark = [
    pytest.mark.filterwarnings("ignore:torch.meshgrid"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
OURS = [name for name in net_names() if "/" not in name]
NO_ONNX = {"spectrum"}  # it has a Fourier transform
FACTS = {"scale": "2", "channels": "3", "multiple_of": "1", "minimum": "1", "model": "toy"}


def toy(name: str) -> SRNet:
    """A net of conf/net, small; "guided by" is the one that takes a second image."""
    torch.manual_seed(0)
    more = {"guide_channels": 3} if name == "guided by" else {}
    return build_net(name.removesuffix(" by"), scale=2, toy=True, **more).eval()


def images(net: SRNet) -> tuple[Tensor, ...]:
    """Of a size that neither the export nor its own trial has seen; and a guide."""
    step = net.multiple_of
    side = -(-max(net.minimum, 4) // step) * step
    shape = (2, 3, side + 11 * step, side + step)
    seen = [tuple(one[0].shape) for one in [example(net), *trials(net)]]
    assert shape not in seen
    assert not {shape[2], shape[3]} & {*example(net)[0].shape[2:]}
    generator = torch.Generator().manual_seed(9)
    lq = torch.rand(shape, generator=generator)
    if not net.guide_channels:
        return (lq,)
    large = (2, net.guide_channels, net.scale * shape[2], net.scale * shape[3])
    return lq, torch.rand(large, generator=generator)


def run_by_onnxruntime(path: Path, *given: Tensor) -> Tensor:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    (found,) = session.run(None, {name: one.numpy() for name, one in zip(names, given, strict=True)})
    return torch.from_numpy(np.asarray(found))


def check_onnx(name: str, path: Path) -> None:
    net = toy(name)
    if name in NO_ONNX:
        with pytest.raises(ValueError, match="format=onnx: "):
            write_onnx(path, net, FACTS, exact=net)
        return
    assert write_onnx(path, net, FACTS, exact=net) <= 1e-4
    given = images(net)
    with torch.no_grad():
        torch.testing.assert_close(run_by_onnxruntime(path, *given), net(*given), rtol=0, atol=1e-4)


def check_program(name: str, path: Path) -> None:
    net = toy(name)
    assert write_program(path, net, FACTS, exact=net) <= 1e-4
    given = images(net)
    with torch.no_grad():
        found = torch.export.load(path).module()(*given)
        torch.testing.assert_close(found, net(*given), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", [*OURS, "guided by"])
def test_onnx(name: str, tmp_path: Path) -> None:
    check_onnx(name, tmp_path / "net.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in net_names() if "/" in name])
@pytest.mark.parametrize("check", [check_onnx, check_program])
def test_spandrels_are_right_or_refused(
    check: Callable[[str, Path], None], name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Some depend on the size in their code: these are refused with a reason, and nothing else is said."""
    said = "format=onnx: "
    try:
        check(name, tmp_path / ("net.onnx" if check is check_onnx else "net.pt2"))
    except ValueError as refused:
        said = str(refused)
    assert said.startswith(("format=onnx: ", "format=torch_export: "))
    assert len(said) < 400
    assert "graph(" not in capfd.readouterr().out


@pytest.mark.parametrize("name", ["espcn", "srvgg_small", "edsr", "guided by"])
def test_a_program(name: str, tmp_path: Path) -> None:
    check_program(name, tmp_path / "net.pt2")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in OURS if name not in ("espcn", "srvgg_small", "edsr")])
def test_a_program_of_every_other(name: str, tmp_path: Path) -> None:
    check_program(name, tmp_path / "net.pt2")


def test_what_a_file_says_of_itself(tmp_path: Path) -> None:
    import onnx

    net = toy("espcn")
    write_onnx(tmp_path / "a.onnx", net, FACTS, exact=net)
    model = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {entry.key: entry.value for entry in model.metadata_props} == FACTS
    (given,), (made,) = model.graph.input, model.graph.output
    assert (given.name, made.name) == ("lq", "sr")
    sizes = [side.dim_param or side.dim_value for side in given.type.tensor_type.shape.dim]
    assert sizes == ["batch", 3, "height", "width"]
    write_program(tmp_path / "a.pt2", net, FACTS, exact=net)
    extra = {"metadata.json": ""}
    torch.export.load(tmp_path / "a.pt2", extra_files=extra)
    assert json.loads(extra["metadata.json"]) == FACTS


class Framed(SRNet):
    """Depends on the size that it was traced with, as nets do that make masks of numbers."""

    def forward(self, lq: Tensor) -> Tensor:
        ramp = torch.arange(lq.shape[3], dtype=lq.dtype).numpy() / 100
        return F.interpolate(lq, scale_factor=2.0) + float(ramp.sum()) * 1e-3


class Overflowing(SRNet):
    """Its numbers are larger than half precision has them, on the way."""

    def __init__(self) -> None:
        super().__init__(scale=2, in_channels=3)
        self.gain = torch.nn.Parameter(torch.tensor(500.0))

    def forward(self, lq: Tensor) -> Tensor:
        return F.interpolate(lq * self.gain * self.gain, scale_factor=2.0) / self.gain / self.gain


def test_a_graph_that_depends_on_the_size_is_refused(tmp_path: Path) -> None:
    net = Framed(scale=2, in_channels=3).eval()
    with pytest.raises(
        ValueError, match=r"at sizes other than that of the export its results differ by 0\.\d+"
    ):
        write_onnx(tmp_path / "a.onnx", net, FACTS, exact=net)
    with pytest.raises(ValueError, match="format=torch_export: "):
        write_program(tmp_path / "a.pt2", net, FACTS, exact=net)


def test_half_precision_that_overflows_is_refused() -> None:
    net = Overflowing().eval()
    with pytest.raises(
        ValueError, match=r"dtype=float16: the net's results in it are not finite .* dtype=bfloat16"
    ):
        converted(net, "float16")
    half, worst = converted(net, "bfloat16")
    assert half.state_dict()["gain"].dtype == torch.bfloat16
    assert 0 < worst < 0.02
    assert net.state_dict()["gain"].dtype == torch.float32, "the net itself stays"


@pytest.mark.parametrize("name", ["espcn", "srvgg_small", "edsr_baseline", "guided by"])
def test_half_precision(name: str, tmp_path: Path) -> None:
    """The difference is that of rounded numbers: some, and not much."""
    net = toy(name)
    half, worst = converted(net, "float16")
    assert 0 < worst < 0.01
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert 0 < write_onnx(tmp_path / "a.onnx", half, FACTS, exact=net) < 0.01
    given = images(net)
    found = run_by_onnxruntime(tmp_path / "a.onnx", *(one.half() for one in given))
    assert found.dtype == torch.float16
    torch.testing.assert_close(found.float(), net(*given).detach(), rtol=0, atol=0.01)


def test_the_largest_difference_is_that() -> None:
    net = toy("bicubic")
    assert largest_difference(net, net) == 0
    assert largest_difference(net, lambda lq: net(lq) + (lq.shape[0] == 3) * 0.25) == pytest.approx(0.25)
    assert np.isnan(largest_difference(net, lambda lq: net(lq) / 0))
    with pytest.raises(ValueError, match=r"it makes \(1, 3, \d+, \d+\) of \(1, 3, \d+, \d+\), not"):
        largest_difference(net, lambda lq: lq)


def test_without_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = toy("espcn")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match=r'format=onnx needs .*: pip install "sr-experiments\[onnx\]"'):
        write_onnx(tmp_path / "a.onnx", net, FACTS, exact=net)
