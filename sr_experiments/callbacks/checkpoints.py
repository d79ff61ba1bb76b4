"""The two checkpoints of a run: the last state and the best one."""

from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint


class Checkpoints(ModelCheckpoint):
    """Write ``last.ckpt`` after each validation and ``best.ckpt`` when the monitored metric improved.

    Args:
        folder: Where they go; the run's ``checkpoints/``.
        monitor: The logged metric that decides which is best; None: the last one is.
        mode: Whether more or less of it is better.
    """

    def __init__(self, folder: Path, *, monitor: str | None = "val/psnr_y", mode: str = "max") -> None:
        """Configure Lightning's callback."""
        super().__init__(
            dirpath=folder,
            filename="best",
            monitor=monitor,
            mode=mode,
            save_top_k=1,
            save_last=True,
            auto_insert_metric_name=False,
            enable_version_counter=False,
        )

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Keep what an interrupted training has reached."""
        if isinstance(exception, KeyboardInterrupt) and trainer.training:
            trainer.save_checkpoint(self.last_path)

    @property
    def last_path(self) -> Path:
        """The newest state, whether written already or not."""
        assert self.dirpath is not None
        return Path(self.dirpath) / "last.ckpt"

    def state_dict(self) -> dict[str, Any]:
        """Lightning's own, with text for paths: a checkpoint holds tensors and text only."""
        return {key: str(v) if isinstance(v, Path) else v for key, v in super().state_dict().items()}
