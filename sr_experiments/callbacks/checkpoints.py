"""The checkpoints of a run: the last state, the one before it, and the best one."""

import io
import os
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

LAST, BEFORE, BEST = "last.ckpt", "before.ckpt", "best.ckpt"


class Checkpoints(ModelCheckpoint):
    """Write ``last.ckpt`` after each validation and ``best.ckpt`` when the monitored metric improved.

    Args:
        folder: Where they go; the run's ``checkpoints/``.
        monitor: The logged metric that decides which is best; None: the last one is.
        mode: Whether more or less of it is better.

    Attributes:
        batches: Batches behind the state that was written last; -1 before there is one.
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
        self.batches = -1

    def save_last_now(self, trainer: Trainer) -> None:
        """Write ``last.ckpt`` between two batches."""
        self._note(trainer)
        self.last_model_path = str(self.last_path)
        trainer.save_checkpoint(self.last_path)

    def _note(self, trainer: Trainer) -> None:
        """What was logged up to a checkpoint is on the disk when the checkpoint is."""
        for logger in trainer.loggers:
            logger.save()
        self.batches = int(getattr(trainer.lightning_module, "batches", 0))

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        self._note(trainer)
        super()._save_checkpoint(trainer, filepath)

    @property
    def last_path(self) -> Path:
        """The newest state, whether written already or not."""
        assert self.dirpath is not None
        return Path(self.dirpath) / LAST

    def state_dict(self) -> dict[str, Any]:
        """Lightning's own, with text for paths: a checkpoint holds tensors and text only."""
        return {key: str(v) if isinstance(v, Path) else v for key, v in super().state_dict().items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Lightning's own, with paths in this run's folder: it may have been moved."""
        here = Path(str(self.dirpath))
        moved = {
            key: str(here / Path(value).name) if key.endswith("_model_path") and value else value
            for key, value in state_dict.items()
        }
        moved["best_k_models"] = {
            str(here / Path(path).name): score for path, score in state_dict.get("best_k_models", {}).items()
        }
        super().load_state_dict(moved | {"dirpath": self.dirpath})


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint whole or not at all; what was the last one stays beside it as the one before.

    Lightning's own writes into the system's folder for temporary files and moves the result, which copies
    where that is another disk: killed or out of room it leaves a part of the new file in the old one's place.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write beside the place, then take it in one step.

        Raises:
            OSError: If the disk is full or may not be written to; what was there is there still.
        """
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        torch.save(checkpoint, content)
        temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as stream:
                stream.write(content.getbuffer())
                stream.flush()
                os.fsync(stream.fileno())
            if place.name == LAST and place.is_file():
                os.replace(place, place.with_name(BEFORE))
            os.replace(temporary, place)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            # A write knows its reason but not its file.
            raise OSError(error.errno, error.strerror, str(place)) from error


def clear_away(folder: Path) -> None:
    """Remove what writers that were killed have left, here and in folders below."""
    for left in folder.rglob(".*.tmp"):
        left.unlink(missing_ok=True)
