"""What training procedures share: the net and its average, evaluation, the counter, a safe checkpoint."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self, TypedDict, cast

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from sr_experiments.imaging.resize import imresize
from sr_experiments.metrics.base import ImageMetric
from sr_experiments.metrics.per_image import PerImage
from sr_experiments.metrics.protocol import BICUBIC, image_metrics, ranged_metrics
from sr_experiments.models.compiled import compiled
from sr_experiments.models.ema import Averaging
from sr_experiments.models.inference import Inference
from sr_experiments.models.layout import follow_layout, lay_out
from sr_experiments.models.unasked import ask_no_gpu, seed_device
from sr_experiments.nets.base import SRNet

CHECKPOINT_KEY = "sr_experiments"


class EvaluationData(Protocol):
    """What a test needs to know of a data module."""

    @property
    def test_names(self) -> list[str]:
        """The test sets, in the order of their loaders."""

    def image_names(self, dataset: str) -> list[str]:
        """The images of a test set, by index."""


class Restored(TypedDict):
    """One evaluated image, for callbacks: tensors (1, C, H, W) in [0, 1] and what was measured."""

    dataset: str
    index: int
    name: str
    sr: Tensor
    gt: Tensor
    bicubic: Tensor
    metrics: dict[str, Tensor]
    bicubic_metrics: dict[str, Tensor]


class SRModel(LightningModule):
    """A net with its average, evaluated on whole images by the protocol of `metrics`.

    Args:
        net: The net that is trained.
        ema: Decay of the moving average that validation, test and export use; None trains without one.
        metrics: Name -> what is measured beside the protocol, such as LPIPS.
        inference: How whole images go through the net.

    Attributes:
        batches: Batches trained so far, counted once per batch whatever the number of optimizers. Sampling
            continues from it, so it is in the checkpoint.
        seed: Of the run.
        ranged: Black and white stand for measured values, which are measured by another protocol.
        config_text: The resolved config as YAML; stored in every checkpoint so that it can be rebuilt from.
        results: After a test: data set -> metric -> mean over images, and the same under ``bicubic``.
        image_rows: After a test: the same per image, on every rank.
        choices: What was chosen for speed; stored in every checkpoint, so that a run goes on with it.
    """

    def __init__(
        self,
        net: SRNet,
        *,
        ema: float | None = 0.999,
        metrics: Mapping[str, ImageMetric] | None = None,
        inference: Inference | None = None,
    ) -> None:
        """Copy the net for the average."""
        super().__init__()
        self.net = net
        self.averaging = Averaging(ema) if ema is not None and count_parameters(net) else None
        # Its own copy of the net, never trained itself: the keys ema.* of a checkpoint are a net's.
        self.ema = copy.deepcopy(net).requires_grad_(False).eval() if self.averaging is not None else None
        self.batches = 0
        self.seed = 0
        self.ranged = False
        self.config_text = ""
        self.results: dict[str, dict[str, Any]] = {}
        self.image_rows: list[dict[str, Any]] = []
        self.inference = inference or Inference()
        # In a plain dict: a metric's own networks are neither trained nor kept in checkpoints.
        self.metrics = dict(metrics or {})
        self._meters: dict[tuple[str, str], PerImage] = {}
        self.choices: dict[str, Any] = {}
        self._compiled: tuple[Callable[..., Any], ...] = ()

    def __setattr__(self, name: str, value: Any) -> None:
        """Lightning notes the hook that it is in, forty times a step: a text, no parameter to look for."""
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    @property
    def trained(self) -> Callable[..., Any]:
        """What training calls: the net, or its compiled form."""
        return self._compiled[0] if self._compiled else self.net

    def compile_net(self, *, mode: str | None = None) -> None:
        """Train through torch.compile; checkpoints and evaluation, with images of many sizes, do without."""
        # Within a tuple: as a module of this one it would be in every checkpoint a second time.
        self._compiled = (compiled(self.net, mode=mode),)

    @property
    def trainable(self) -> bool:
        """Whether there is anything to train: interpolation has no parameters."""
        return count_parameters(self.net) > 0

    @property
    def batches_per_step(self) -> int:
        """Batches whose gradients make a step of the optimizer."""
        return int(self.trainer.accumulate_grad_batches)

    @property
    def logs_now(self) -> bool:
        """Whether loggers get a row of this batch: the first does, and every `log_every_n_steps`."""
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]  # set without declaring it
        return every > 0 and (self.batches == 1 or self.batches % every == 0)

    @property
    def judged(self) -> SRNet:
        """The net whose images are measured and kept: the average where there is one."""
        return self.net if self.ema is None else self.ema

    def train(self, mode: bool = True) -> Self:
        """The average stays in evaluation mode."""
        super().train(mode)
        if self.ema is not None:
            self.ema.eval()
        return self

    def update_average(self, *, made: Tensor | None = None) -> None:
        """To be called after each step of the net's optimizer; `made` as `Averaging.update` has it."""
        if self.averaging is not None and self.ema is not None:
            self.averaging.update(self.ema, self.net, made=made)

    def forward(self, lq: Tensor, guide: Tensor | None = None) -> Tensor:
        """The super-resolved image of the judged net."""
        return self.inference(self.judged, lq, guide)

    # ---- evaluation

    def _super_resolve(self, batch: dict[str, Any]) -> Tensor:
        # In float32 or better whatever the training precision: bfloat16 has 8 bits, as many as the picture,
        # and TF32, which a GPU's convolutions use by default, has 10.
        cudnn = torch.backends.cudnn
        with (
            torch.autocast(self.device.type, enabled=False),
            cudnn.flags(
                enabled=cudnn.enabled,
                benchmark=False,  # images of many sizes, each of them tried
                deterministic=cudnn.deterministic,
                allow_tf32=False,
            ),
        ):
            guide = batch["guide"].to(self.dtype) if "guide" in batch else None
            return self.forward(batch["lq"].to(self.dtype), guide)

    def _record(self, dataset: str, index: Tensor, metrics: dict[str, Tensor], prefix: str = "") -> None:
        for name, values in metrics.items():
            key = (dataset, prefix + name)
            if key not in self._meters:
                self._meters[key] = PerImage().to(self.device)
            self._meters[key].update(index, values)

    def _measure(self, sr: Tensor, batch: dict[str, Any]) -> dict[str, Tensor]:
        gt, lq, grey = batch["gt"], batch["lq"], bool(batch["grey"])
        known = known_pixels(batch)
        if known is not None:
            sr = torch.where(known, sr, gt.to(sr.dtype))  # nobody knows better
        if self.ranged:
            measured = ranged_metrics(sr, gt, scale=self.net.scale, known=known)
        else:
            measured = image_metrics(sr, gt, scale=self.net.scale, grey=grey)
        for name, metric in self.metrics.items():
            options = {"known": known} if metric.takes_known else {}
            measured[name] = metric.to(self.device)(sr, gt, lq=lq, **options)
        return measured

    def on_validation_start(self) -> None:
        """In the layout that every later evaluation of these weights has, and so to the same bits."""
        lay_out(self.judged, "contiguous")

    def on_validation_end(self) -> None:
        """Side by side with what it follows, or is moved by."""
        lay_out(self.judged, self.choices.get("memory_format", "contiguous"))

    def on_test_start(self) -> None:
        """As in validation."""
        lay_out(self.judged, "contiguous")

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self._meters.clear()

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Any]:
        """Measure one whole image; it and what was measured are for callbacks."""
        sr = self._super_resolve(batch)
        metrics = self._measure(sr, batch)
        self._record("val", batch["index"], metrics)
        return {"sr": sr, "metrics": metrics}

    def on_validation_epoch_end(self) -> None:
        """Log the means over images."""
        for (_, name), meter in self._meters.items():
            # Already the same on every rank; Lightning keeps float32.
            self.log(f"val/{name}", meter.compute().float(), rank_zero_only=False)

    def on_test_epoch_start(self) -> None:
        """Forget the last test."""
        self._meters.clear()
        self.results, self.image_rows = {}, []

    def test_step(self, batch: dict[str, Any], batch_idx: int, dataloader_idx: int = 0) -> Restored:
        """Measure one whole image and bicubic upscaling beside it."""
        dataset = self._data().test_names[dataloader_idx]
        sr, gt = self._super_resolve(batch), batch["gt"]
        bicubic = imresize(batch["lq"].double(), size=(gt.shape[-2], gt.shape[-1])).float()
        metrics, bicubic_metrics = self._measure(sr, batch), self._measure(bicubic, batch)
        self._record(dataset, batch["index"], metrics)
        self._record(dataset, batch["index"], bicubic_metrics, prefix=BICUBIC)
        return Restored(
            dataset=dataset,
            index=int(batch["index"]),
            name=batch["name"][0],
            sr=sr,
            gt=gt,
            bicubic=bicubic,
            metrics=metrics,
            bicubic_metrics=bicubic_metrics,
        )

    def on_test_epoch_end(self) -> None:
        """Collect the means over images, and each image's row."""
        rows: dict[tuple[str, int], dict[str, Any]] = {}
        for (dataset, name), meter in self._meters.items():
            mean = float(meter.compute())
            self.log(f"test/{dataset}/{name}", mean, rank_zero_only=False)
            into = self.results.setdefault(dataset, {"bicubic": {}})
            if name.startswith(BICUBIC):
                into["bicubic"][name.removeprefix(BICUBIC)] = mean
            else:
                into[name] = mean
            for index, value in meter.gathered().items():
                image = self._data().image_names(dataset)[index]
                row = rows.setdefault((dataset, index), {"data set": dataset, "image": image})
                row[name] = value
        self.image_rows = [rows[key] for key in sorted(rows)]

    def _data(self) -> EvaluationData:
        # Lightning sets the attribute without declaring it.
        return cast(EvaluationData, self.trainer.datamodule)  # type: ignore[attr-defined]

    # ---- checkpoint

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add text and a number: nothing that needs pickle's power to be read."""
        weights = checkpoint.get("state_dict", {})  # in the plain layout: safetensors takes no other
        checkpoint["state_dict"] = {key: value.contiguous() for key, value in weights.items()}
        checkpoint[CHECKPOINT_KEY] = {
            "config": self.config_text,
            "batches": self.batches,
            "choices": self.choices,
            "average_steps": self.averaging.steps if self.averaging is not None else 0,
            "logged_rows": sum(
                rows for logger in self._loggers() if isinstance(rows := getattr(logger, "rows", 0), int)
            ),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the counter up again."""
        ours = checkpoint[CHECKPOINT_KEY]
        self.batches = ours["batches"]
        if self.averaging is not None:
            self.averaging.steps = ours["average_steps"]

    def _loggers(self) -> list[Any]:
        return list(self._trainer.loggers) if self._trainer is not None else []

    def on_train_start(self) -> None:
        """A run may go on with another layout, and on a CPU no step is recorded into a CUDA graph."""
        for optimizer in self.trainer.optimizers:
            follow_layout(optimizer)
            if self.device.type == "cpu":
                ask_no_gpu(optimizer)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Numbers that a net draws by itself (dropout, stochastic depth) follow from the batch's number.

        A run that continues has then the ones that it would have had.
        """
        number = (self.batches * self.trainer.world_size + self.trainer.global_rank) & (2**32 - 1)
        seed_device((self.seed * 2**32 + number) & (2**63 - 1), self.device)

    def collect_notes(self) -> list[str]:
        """What any part of the model has to tell the reader of the results."""
        found: list[str] = []
        for module in self.modules():
            told = getattr(module, "notes", [])
            found += [note for note in told if note not in found] if isinstance(told, list) else []
        return found


def known_pixels(batch: Mapping[str, Any]) -> Tensor | None:
    """(B, 1, H, W) bool: which pixels of `gt` were measured; None: all. A mixture is where all were."""
    return batch["known"] > 0.999 if "known" in batch else None


def count_parameters(net: nn.Module) -> int:
    """Parameters that an optimizer moves."""
    return sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)
