"""An ONNX file as a net, run by ONNX Runtime (the extra ``onnx``)."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sr_experiments.imaging.span import Span
from sr_experiments.nets.base import SRNet

GUIDE = "guide"  # the name of a second input
_PROBE = 64  # pixels: divides into the windows of most nets


class OnnxNet(SRNet):
    """The graph of a file: one input (B, C, H, W) in [0, 1], one output (B, C, sH, sW).

    A second input is a guide if it is called so, (B, G, sH, sW) in [0, 1]. Works on the CPU and takes tensors
    of any device. What the file says of itself (``scale``, ``channels``, ``multiple_of``, ``minimum`` in its
    metadata) is believed; without a scale it is found by trying.

    Attributes:
        name: Of the model, by the file.
        guide_channels: Of the guide; 0: the graph takes none.
        holes: Whether a level of 0 is no measurement (``data_holes``).
        range: [low, high] of measured values that 0 and 1 stand for (``data_range``); None: it is not said.
    """

    scales = range(1, 65)

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            ValueError: If onnxruntime is not installed, the file is none of ONNX, or not such a net.
        """
        session = _opened(path)
        self_said = session.get_modelmeta().custom_metadata_map
        inputs, outputs = session.get_inputs(), session.get_outputs()
        guides = [one for one in inputs[1:] if one.name == GUIDE]
        images = [one for one in inputs if one not in guides]
        if len(images) != 1 or len(outputs) != 1 or any(len(one.shape) != 4 for one in inputs):
            told = ", ".join(f"{one.name} {one.shape}" for one in [*inputs, *outputs])
            raise ValueError(
                f"{path}: a net takes one image (B, C, H, W), perhaps with another behind it that is called "
                f"{GUIDE}, and gives one; this file has {told or 'nothing'}"
            )
        channels, self._dtype, self._one_by_one = _checked(path, images[0])
        guide_channels = [_checked(path, one)[0] for one in guides]
        self._session, self._inputs = session, [one.name for one in (*images, *guides)]
        if guides and "scale" not in self_said:
            raise ValueError(
                f"{path}: its metadata have no scale, so how large its guide is can not be known"
            )
        scale = int(self_said.get("scale", 0)) or self._scale_by_trying(path, channels)
        sizes = {key: int(self_said.get(key, 1)) for key in ("multiple_of", "minimum")}
        super().__init__(scale=scale, in_channels=channels, **sizes)
        self.guide_channels = sum(guide_channels)
        self.name = str(self_said.get("model", path.stem))
        self.holes = self_said.get("data_holes") == "true"
        self.range: list[float] | None = None
        if "data_range" in self_said:
            self.range = _range(path, self_said["data_range"])

    def forward(self, lq: Tensor, *guide: Tensor) -> Tensor:
        """Enlarge (B, C, H, W), by a guide (B, G, sH, sW) where the graph takes one."""
        given = [one.detach().cpu().numpy() for one in (lq, *guide)]
        count = len(lq) if self._one_by_one else 1
        parts = zip(*(np.split(one, count) for one in given), strict=True)
        return torch.from_numpy(np.concatenate([self._run(*part) for part in parts])).to(lq.device, lq.dtype)

    def _run(self, *images: np.ndarray) -> np.ndarray:
        given = zip(self._inputs, images, strict=True)
        (output,) = self._session.run(
            None, {name: one.astype(self._dtype, copy=False) for name, one in given}
        )
        assert isinstance(output, np.ndarray)
        return output

    def _scale_by_trying(self, path: Path, channels: int) -> int:
        try:
            output = self._run(np.zeros((1, channels, _PROBE, _PROBE)))
        except Exception as error:  # onnxruntime's own kinds, which have no common one
            raise ValueError(f"{path}: it does not run: {_first_line(error)}") from error
        scale, rest = divmod(output.shape[-1], _PROBE)
        if output.ndim != 4 or output.shape[:2] != (1, channels) or rest or scale < 1:
            raise ValueError(
                f"{path}: of 1x{channels}x{_PROBE}x{_PROBE} numbers it makes "
                f"{'x'.join(map(str, output.shape))}, which is not the image enlarged by a whole factor"
            )
        return int(scale)


def _checked(path: Path, given: Any) -> tuple[int, Any, bool]:
    """Of an input the channels, numpy's dtype, and whether it is one image at a time.

    Raises:
        ValueError: If it is none of floats, or not of any height and width.
    """
    kinds = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
    batch, channels, height, width = given.shape
    if given.type not in kinds or not isinstance(channels, int):
        raise ValueError(
            f"{path}: a net takes floats of a fixed number of channels, not {given.type} {given.shape}"
        )
    if isinstance(height, int) or isinstance(width, int) or batch not in (1, str(batch), None):
        raise ValueError(
            f"{path}: it takes {batch} images of {height}x{width} pixels only; export it with dynamic "
            "height and width"
        )
    return channels, kinds[given.type], batch == 1


def _opened(path: Path) -> Any:
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise ValueError(
            f"checkpoint={path} needs a package that is not installed ({error.name or error}): "
            'pip install "sr-experiments[onnx]"'
        ) from error
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors, which are raised as well
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own kinds, which have no common one
        raise ValueError(f"{path} can not be opened as an ONNX file: {_first_line(error)}") from error


def _range(path: Path, said: str) -> list[float]:
    try:
        return Span.of(json.loads(said), option="data_range").as_list()
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: its metadata data_range={said} is no range [LOW, HIGH]") from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
