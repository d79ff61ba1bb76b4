"""Callbacks for runs of tests, such as ``+callbacks.recorder._target_=tests.recorder.Recorder``."""

import hashlib
import json
import os
import signal
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from sr_experiments.imaging.ledger import Ledger


class Recorder(Callback):
    """What a process of a run was really given.

    Leaves ``<folder>/<rank>.jsonl``: a line per sample of training, in the order in which they came.

    Position, hashes of the bytes of gt and lq as the model gets them, and every value that was drawn.
    """

    def __init__(self, *, folder: str) -> None:
        self.folder = Path(folder)
        self.ledger = Ledger()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        finish = type(data).finish

        def finish_and_note(batch: Any, positions: Any) -> Any:
            self.ledger = Ledger()
            return finish(data, batch, positions, ledger=self.ledger)

        data.finish = finish_and_note

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{trainer.global_rank}.jsonl").open("a") as file:
            for index, position in enumerate(batch["position"].tolist()):
                hashes = [
                    hashlib.sha256(batch[key][index].cpu().numpy().tobytes()).hexdigest()
                    for key in ("gt", "lq")
                ]
                page = self.ledger.pages[index] if self.ledger.pages else {}
                file.write(json.dumps([position, *hashes, page]) + "\n")


class StopsInTest(Callback):
    """The first process is sent SIGTERM in the final test; not again when the run continues."""

    def on_test_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        told = Path(trainer.default_root_dir) / "told"
        if trainer.is_global_zero and not told.exists():
            told.touch()
            os.kill(os.getpid(), signal.SIGTERM)


class Fails(Callback):
    """One of the processes can not write."""

    def __init__(self, *, rank: int) -> None:
        self.rank = rank

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_rank == self.rank:
            raise OSError(28, "No space left on device", "/scratch")
