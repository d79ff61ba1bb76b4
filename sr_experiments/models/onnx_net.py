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

_PROBE = 64  # pixels: divides into the windows of most nets


class OnnxNet(SRNet):
    """The graph of a file: one input (B, C, H, W) in [0, 1], one output (B, C, sH, sW).

    Works on the CPU and takes tensors of any device. What the file says of itself (``scale``, ``channels``,
    ``multiple_of``, ``minimum`` in its metadata) is believed; without a scale it is found by trying.

    Attributes:
        name: Of the model, by the file.
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
        if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) != 4:
            told = ", ".join(f"{one.name} {one.shape}" for one in [*inputs, *outputs])
            raise ValueError(
                f"{path}: a net takes one image (B, C, H, W) and gives one; this file has {told or 'nothing'}"
            )
        kinds = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
        batch, channels, height, width = inputs[0].shape
        if inputs[0].type not in kinds or not isinstance(channels, int):
            raise ValueError(
                f"{path}: a net takes floats of a fixed number of channels, not {inputs[0].type} "
                f"{inputs[0].shape}"
            )
        if isinstance(height, int) or isinstance(width, int) or batch not in (1, str(batch), None):
            raise ValueError(
                f"{path}: it takes {batch} images of {height}x{width} pixels only; export it with dynamic "
                "height and width"
            )
        self._one_by_one = batch == 1
        self._dtype = kinds[inputs[0].type]
        self._session, self._input = session, inputs[0].name
        scale = int(self_said.get("scale", 0)) or self._scale_by_trying(path, channels)
        sizes = {key: int(self_said.get(key, 1)) for key in ("multiple_of", "minimum")}
        super().__init__(scale=scale, in_channels=channels, **sizes)
        self.name = str(self_said.get("model", path.stem))
        self.range: list[float] | None = None
        if "data_range" in self_said:
            self.range = _range(path, self_said["data_range"])

    def forward(self, lq: Tensor) -> Tensor:
        """Enlarge (B, C, H, W)."""
        images = lq.detach().cpu().numpy()
        parts = np.split(images, len(images)) if self._one_by_one else [images]
        return torch.from_numpy(np.concatenate([self._run(part) for part in parts])).to(lq.device, lq.dtype)

    def _run(self, image: np.ndarray) -> np.ndarray:
        (output,) = self._session.run(None, {self._input: image.astype(self._dtype, copy=False)})
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
