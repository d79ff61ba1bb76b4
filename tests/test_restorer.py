"""What holds a net, opened by one function and called on images of any size."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig
from torch import Tensor

from sr_experiments.models.channels import for_channels
from sr_experiments.nets.weights import read_state_dict
from sr_experiments.restorer import Restorer, open_restorer
from tests.nets.toys import build_net
from tests.tasks.runs import photographs, run, toy_config

TOY = ("net.features=4", "net.mapped_features=4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and its weights as a plain file and as a graph of ONNX."""
    folder = tmp_path_factory.mktemp("restorer")
    run(photographs(folder / "photos"), folder / "run", *TOY)
    torch.save(read_state_dict(folder / "run" / "checkpoints" / "best.ckpt"), folder / "plain.pth")
    return folder


def config(folder: Path, *overrides: str) -> DictConfig:
    return toy_config(folder / "photos", *TOY, *overrides)


def image(channels: int = 3, height: int = 21, width: int = 34) -> Tensor:
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(0))


class Small(torch.nn.Module):
    """A convolution and a pixel shuffle: the smallest net, and a graph that is written by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 12, 3, padding=1)

    def forward(self, lq: Tensor) -> Tensor:
        return torch.nn.functional.pixel_shuffle(self.conv(lq), 2)


def graph(net: Small, path: Path, *, size: tuple[Any, ...] = ("b", 3, "h", "w"), **facts: str) -> Path:
    """The net as a file of ONNX, with what it says of itself."""
    onnx = pytest.importorskip("onnx")
    assert net.conv.bias is not None
    numpy_helper, make, kind = onnx.numpy_helper, onnx.helper, onnx.TensorProto.FLOAT
    weights = [
        numpy_helper.from_array(value.detach().numpy(), name)
        for name, value in (("w", net.conv.weight), ("b", net.conv.bias))
    ]
    nodes = [
        make.make_node("Conv", ["lq", "w", "b"], ["x"], pads=[1, 1, 1, 1]),
        make.make_node("DepthToSpace", ["x"], ["sr"], blocksize=2, mode="CRD"),
    ]
    described = [make.make_tensor_value_info(*one) for one in (("lq", kind, size), ("sr", kind, [None] * 4))]
    whole = make.make_graph(nodes, "small", [described[0]], [described[1]], weights)
    model = make.make_model(whole, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    make.set_model_props(model, facts)
    onnx.save(model, str(path))
    return path


def test_a_run_a_checkpoint_and_a_plain_file_are_the_same_net(folder: Path) -> None:
    sources = ["run", "run/checkpoints/best.ckpt", "plain.pth"]
    opened = [open_restorer(config(folder), str(folder / one)) for one in sources]
    assert [(one.name, one.scale, one.channels) for one in opened] == [("toy", 2, 3)] * 3
    results = [one(image()) for one in opened]
    assert results[0].shape == (1, 3, 42, 68)
    assert all(torch.equal(one, results[0]) for one in results)


def test_the_scale_is_the_runs_own(folder: Path) -> None:
    assert open_restorer(config(folder, "scale=3"), str(folder / "run")).scale == 2


def test_a_net_without_weights(folder: Path) -> None:
    bicubic = toy_config(folder / "photos", model="bicubic")
    assert open_restorer(bicubic, None, scale=3)(image()).shape == (1, 3, 63, 102)
    with pytest.raises(ValueError, match=r"model=toy has weights, and none are given: checkpoint=RUN"):
        open_restorer(config(folder), None)


def test_a_precision_that_only_training_knows(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"precision=64-true: images are restored in float32"):
        open_restorer(config(folder, "precision=64-true"), str(folder / "run"))


def test_bfloat16_is_near_and_not_equal(folder: Path) -> None:
    exact = open_restorer(config(folder), str(folder / "run"))(image())
    near = open_restorer(config(folder, "precision=bf16-mixed"), str(folder / "run"))(image())
    assert near.dtype == torch.float32
    assert 1e-5 < float((exact - near).abs().max()) < 0.05


def restorer(net: Any, **options: Any) -> Restorer:
    return Restorer(net, name="net", device=torch.device("cpu"), **options)


def test_tiles_are_chosen_by_the_memory_that_there_is() -> None:
    """And the result is that of the whole image, as this net looks 4 pixels far."""
    torch.manual_seed(0)
    net = build_net("espcn", scale=2).eval()
    sizes: list[tuple[int, ...]] = []
    net.register_forward_hook(lambda module, inputs, output: sizes.append(tuple(inputs[0].shape)))
    lq = image(height=300, width=211)
    whole = restorer(net, budget=1e12)(lq)
    assert sizes[-1] == (1, 3, 300, 211)
    small = restorer(net, budget=20e6)
    sizes.clear()
    tiled = small(lq)
    assert max(max(size[-2:]) for size in sizes[8:]) < 211, "tiles"
    assert torch.equal(small(lq[:, :, :50, :60]), net(lq[:, :, :50, :60])), (
        "what fits goes through as a whole"
    )
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-6)
    bands: list[Tensor] = []
    small.in_bands(lq, lambda top, rows: bands.append(rows))
    assert len(bands) > 1
    assert torch.equal(torch.cat(bands, dim=-2), tiled)


def test_channels_that_are_not_the_nets() -> None:
    torch.manual_seed(0)
    grey, colour = (build_net("espcn", scale=2, channels=channels).eval() for channels in (1, 3))
    assert restorer(grey)(image(3)).shape == (1, 3, 42, 68)
    assert restorer(colour)(image(1)).shape == (1, 1, 42, 68)
    with pytest.raises(ValueError, match="an image of 4 channels does not go through a net of 3"):
        restorer(colour)(image(4))
    assert for_channels(grey, 1) is grey


def test_a_grey_net_on_colour_restores_luma_and_leaves_grey_grey() -> None:
    """With bicubic as the grey net the way over YCbCr is bicubic on RGB: all of it is linear."""
    grey, colour = (build_net("bicubic", scale=3, channels=channels) for channels in (1, 3))
    torch.testing.assert_close(restorer(grey)(image(3)), restorer(colour)(image(3)), rtol=0, atol=1e-5)
    torch.testing.assert_close(restorer(colour)(image(1)), restorer(grey)(image(1)), rtol=0, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("plus", [False, True])
def test_a_guide_goes_into_the_tiles_of_its_image(plus: bool) -> None:
    """Chosen by memory, as for any net: this one looks 10 pixels far."""
    torch.manual_seed(0)
    net = build_net("guided", scale=2, channels=1, guide_channels=3, features=4).eval()
    lq, guide = image(1, 90, 111), image(3, 180, 222)
    sizes: list[tuple[int, ...]] = []
    net.register_forward_hook(lambda module, inputs, output: sizes.append(tuple(inputs[0].shape)))
    whole = restorer(net, budget=1e12, self_ensemble=plus)(lq, guide)
    assert (1, 1, 90, 111) in sizes
    if not plus:
        assert torch.equal(whole, net(lq, guide))
    sizes.clear()
    small = restorer(net, budget=1e6, self_ensemble=plus)
    tiled = small(lq, guide)
    assert max(max(size[-2:]) for size in sizes[8:]) < 111, "tiles"
    torch.testing.assert_close(tiled, whole, rtol=0, atol=5e-5)
    bands: list[Tensor] = []
    small.in_bands(lq, lambda top, rows: bands.append(rows), guide=guide)
    assert len(bands) > 1
    assert torch.equal(torch.cat(bands, dim=-2), tiled)


def test_guides_that_a_net_does_not_take() -> None:
    guided, plain = build_net("guided", scale=2, guide_channels=3, features=4), build_net("bicubic", scale=2)
    with pytest.raises(ValueError, match="net takes a guide of 3 channels beside an image"):
        restorer(guided)(image())
    with pytest.raises(ValueError, match="net takes no guide beside an image"):
        restorer(plain)(image(), image())
    with pytest.raises(ValueError, match="each of 3 channels: here 1, not 1 of 1 channels"):
        restorer(guided)(image(), image(1, 42, 68))
    with pytest.raises(ValueError, match=r"a guide of 42x67 .* does not fit an image of 21x34 at scale=2"):
        restorer(guided)(image(), image(3, 42, 67))


@pytest.mark.parametrize("batch", ["b", 1])
@pytest.mark.parametrize("facts", [{}, {"scale": "2", "model": "mine"}])
def test_an_onnx_file_is_a_net(folder: Path, tmp_path: Path, batch: Any, facts: dict[str, str]) -> None:
    pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    net = Small().eval()
    path = graph(net, tmp_path / "graph.onnx", size=(batch, 3, "h", "w"), **facts)
    opened = open_restorer(config(folder), str(path))
    assert (opened.name, opened.scale, opened.channels) == (facts.get("model", "graph"), 2, 3)
    tiled = open_restorer(config(folder), str(path), tile=24, tile_overlap=4)
    with torch.no_grad():
        for size in ((21, 34), (64, 64), (5, 90)):
            lq = image(height=size[0], width=size[1]).repeat(2, 1, 1, 1)
            torch.testing.assert_close(opened(lq), net(lq), rtol=0, atol=1e-5)
            torch.testing.assert_close(tiled(lq), net(lq), rtol=0, atol=1e-5)


def test_files_that_are_no_net_of_onnx(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ValueError, match=r"text.onnx can not be opened as an ONNX file: .*Protobuf"):
        open_restorer(config(folder), str(tmp_path / "text.onnx"))
    with pytest.raises(FileNotFoundError, match=r"checkpoint=nowhere.onnx: there is no such file"):
        open_restorer(config(folder), "nowhere.onnx")
    fixed = graph(Small(), tmp_path / "fixed.onnx", size=(1, 3, 21, 34))
    with pytest.raises(ValueError, match=r"it takes 1 images of 21x34 pixels only; export it with dynamic"):
        open_restorer(config(folder), str(fixed))
    path = graph(Small(), tmp_path / "graph.onnx")
    with pytest.raises(ValueError, match=r"scale=3: .*graph.onnx enlarges by 2"):
        open_restorer(config(folder), str(path), scale=3)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match=r'not installed .*: pip install "sr-experiments\[onnx\]"'):
        open_restorer(config(folder), str(path))
