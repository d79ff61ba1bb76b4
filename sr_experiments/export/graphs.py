"""A net as a graph: an ONNX file, or a program of torch.export; each read back and held against the net.

Batch, height and width are free; a guide, where the net takes one, is `scale` times as large. A graph does
not pad: what is not a multiple of `multiple_of` or smaller than `minimum`, both in the metadata, is padded
outside (as `imaging/pad.py` does), because a pad inside would tie the graph to the size it was traced with.
"""

import contextlib
import importlib
import json
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sr_experiments.export.trial import ALLOWED, example, largest_difference
from sr_experiments.nets.base import SRNet

INPUTS = ["lq", "guide"]  # what a graph's inputs are called; the second where the net takes a guide
_OPSET = 18


def needed(name: str) -> Any:
    """A package of the extra `onnx`.

    Raises:
        ValueError: if it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(
            f"format=onnx needs a package that is not installed ({error.name or error}): "
            'pip install "sr-experiments[onnx]"'
        ) from error


def write_onnx(path: Path, net: SRNet, facts: Mapping[str, str], *, exact: SRNet) -> float:
    """Write an ONNX file and run it in onnxruntime.

    torch's older exporter is taken: it converts every net of ours, where the newer one has no enlargement by
    interpolation with free sizes (torch 2.15).

    Args:
        path: The file.
        net: In the precision that is asked for.
        facts: For ``metadata_props``.
        exact: The same net in float32.

    Returns:
        The largest difference to `exact` at three sizes, of white.

    Raises:
        ValueError: if the net can not be converted, or the file does something else.
    """
    onnx, runtime = needed("onnx"), needed("onnxruntime")
    kind = next(
        (tensor.dtype for tensor in net.state_dict().values() if tensor.is_floating_point()), torch.float32
    )
    trace_onnx(path, net, *(one.to(kind) for one in example(net)))
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, dict(facts))
    onnx.save(model, str(path))
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    with _told("onnx"):
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

        def run(*images: Tensor) -> Tensor:
            given = {name: one.to(kind).numpy() for name, one in zip(INPUTS, images, strict=False)}
            (result,) = session.run(None, given)
            return torch.from_numpy(np.asarray(result))

        worst = largest_difference(exact, run)
    return _judged(worst, kind, "onnx")


def trace_onnx(path: Path, net: SRNet, *images: Tensor) -> None:
    """Write what a net does to an image as an ONNX file, in which batch, height and width are free.

    Args:
        path: The file.
        net: On the images' device.
        images: (B, C, H, W), and for a net that takes one the guide (B, G, sH, sW).

    Raises:
        ValueError: if the net can not be converted.
    """
    needed("onnx")
    names = INPUTS[: len(images)]
    free = {"lq": {0: "batch", 2: "height", 3: "width"}, "sr": {0: "batch", 2: "sr_height", 3: "sr_width"}}
    free |= {name: {0: "batch", 2: f"{name}_height", 3: f"{name}_width"} for name in names[1:]}
    with quiet():
        try:
            torch.onnx.export(
                net,
                images,
                str(path),
                dynamo=False,
                opset_version=_OPSET,
                input_names=names,
                output_names=["sr"],
                dynamic_axes=free,
            )
        except Exception as error:  # whatever an exporter raises for what it has not
            raise ValueError(f"format=onnx: the net has no ONNX graph: {_first_line(error)}") from error


def write_program(path: Path, net: SRNet, facts: Mapping[str, str], *, exact: SRNet) -> float:
    """Write a program of torch.export (``.pt2``) and run it, loaded again.

    Args:
        path: The file.
        net: In the precision that is asked for.
        facts: For the extra file ``metadata.json``.
        exact: The same net in float32.

    Returns:
        The largest difference to `exact` at three sizes, of white.

    Raises:
        ValueError: if the net has no program for free sizes, or it does something else.
    """
    kind = next(
        (tensor.dtype for tensor in net.state_dict().values() if tensor.is_floating_point()), torch.float32
    )
    given = tuple(one.to(kind) for one in example(net))
    with quiet():
        try:
            with torch.no_grad():
                program = torch.export.export(net, given, dynamic_shapes=_free_sizes(net)[: len(given)])
            torch.export.save(program, str(path), extra_files={"metadata.json": json.dumps(dict(facts))})
        except Exception as error:  # whatever it raises for code that depends on the size
            raise ValueError(
                f"format=torch_export: the net has no program for every size: {_first_line(error)}"
            ) from error
        with _told("torch_export"):
            again = torch.export.load(str(path)).module()
            worst = largest_difference(exact, lambda *images: again(*(one.to(kind) for one in images)))
    return _judged(worst, kind, "torch_export")


def _free_sizes(net: SRNet) -> tuple[dict[int, Any], ...]:
    """Of an image and of its guide: torch.export's words for the axes that are free."""
    step = net.multiple_of
    least = max(2, -(-net.minimum // step))
    batch = torch.export.Dim("batch")
    height, width = (torch.export.Dim(name, min=least, max=16384 // step) for name in ("height", "width"))
    return tuple(
        # Once as many is the axis itself to torch.
        {0: batch, 2: height if times == 1 else times * height, 3: width if times == 1 else times * width}
        for times in (step, net.scale * step)
    )


def _judged(worst: float, kind: torch.dtype, name: str) -> float:
    if worst != worst:
        raise ValueError(f"format={name}: the file's results are not finite")
    if kind == torch.float32 and worst > ALLOWED:
        raise ValueError(
            f"format={name}: at sizes other than that of the export its results differ by {worst:.2g} of "
            f"white, and {ALLOWED:g} is allowed: the net does something that depends on the size"
        )
    return worst


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of the runtime, which has kinds of its own
        raise ValueError(
            f"format={name}: the file does not run at other sizes: {_first_line(error)}"
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What exporters say about themselves, and the whole graph that the older one prints where it fails."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # it is printed past Python's sys.stdout
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200]
