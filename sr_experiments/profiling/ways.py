"""Ways of running the same net: a function of nothing that restores one batch, or why there is none."""

import copy
import logging
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from sr_experiments.export.graphs import needed, trace_onnx
from sr_experiments.nets.base import SRNet

WAYS = ("eager", "channels_last", "bf16", "compiled", "onnx")
TOLD = {
    "eager": "float32, as PyTorch runs it",
    "channels_last": "float32, the channels of a pixel side by side in memory",
    "bf16": "autocast to bfloat16, as precision=bf16-mixed does",
    "compiled": "float32, torch.compile for this size",
    "onnx": "float32, ONNX Runtime",
}
Call = Callable[[], Tensor]


class Unavailable(Exception):
    """A way that does not work here; the message says why."""


def prepare(way: str, net: SRNet, lq: Tensor) -> Call:
    """Make everything ready that is made once: layout, compilation, a session.

    Args:
        way: One of `WAYS`.
        net: In evaluation mode, on its device; it stays as it is.
        lq: (B, C, H, W), of a size that the net takes, on the same device.

    Returns:
        A call that gives (B, C, sH, sW).

    Raises:
        Unavailable: If it does not work here.
    """
    make = {
        "eager": _eager,
        "channels_last": _channels_last,
        "bf16": _bf16,
        "compiled": _compiled,
        "onnx": _onnx,
    }[way]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of exporters and compilers, about code of theirs
            call = make(net, lq)
            call()
    except Unavailable:
        raise
    except Exception as error:  # whatever a compiler, an exporter or a runtime raises is the reason
        raise Unavailable(_first_line(error)) from error
    return call


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[0] if lines else ""
    return f"{type(error).__name__}: {said}"[:300] if said else type(error).__name__


def _eager(net: SRNet, lq: Tensor) -> Call:
    def call() -> Tensor:
        with torch.inference_mode():
            result: Tensor = net(lq)
            return result

    return call


def _channels_last(net: SRNet, lq: Tensor) -> Call:
    # As a module of any kind: mypy knows no memory_format of ours.
    turned: nn.Module = copy.deepcopy(net)
    turned = turned.to(memory_format=torch.channels_last)
    image = lq.contiguous(memory_format=torch.channels_last)

    def call() -> Tensor:
        with torch.inference_mode():
            result: Tensor = turned(image)
            return result

    return call


def _bf16(net: SRNet, lq: Tensor) -> Call:
    def call() -> Tensor:
        with torch.inference_mode(), torch.autocast(lq.device.type, dtype=torch.bfloat16):
            result: Tensor = net(lq)
            return result

    return call


def _compiled(net: SRNet, lq: Tensor) -> Call:
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # of GPUs that are not there
    torch.compiler.reset()  # it refuses to compile one function for the ninth net
    # A copy: what is compiled keeps its own idea of the net.
    compiled = torch.compile(copy.deepcopy(net), dynamic=False)

    def call() -> Tensor:
        with torch.no_grad():
            result: Tensor = compiled(lq)
            return result

    return call


def _onnx(net: SRNet, lq: Tensor) -> Call:
    try:
        runtime = needed("onnxruntime")
    except ValueError as error:
        raise Unavailable(str(error).removeprefix("format=onnx ")) from error
    provider = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}.get(lq.device.type)
    if provider not in runtime.get_available_providers():
        raise Unavailable(f"ONNX Runtime has no provider for {lq.device.type} here")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        trace_onnx(path, copy.deepcopy(net).cpu().eval(), lq.cpu())
        session = runtime.InferenceSession(str(path), options, providers=[provider])
    name = session.get_inputs()[0].name
    image = lq.cpu().numpy()

    def call() -> Tensor:
        return torch.from_numpy(session.run(None, {name: image})[0])

    return call


def forget() -> None:
    """Give back what compilers and the device's allocator hold of the net before."""
    torch.compiler.reset()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
