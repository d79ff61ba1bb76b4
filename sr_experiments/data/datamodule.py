"""The LightningDataModule: checks the files, keeps the pixels, and spoils crops on the device."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from sr_experiments.data.ahead import Finished, ahead_on
from sr_experiments.data.augment import Augmentation
from sr_experiments.data.choose import choose_sources
from sr_experiments.data.dataset import Batch, EvalSet, Opened, TrainSet
from sr_experiments.data.finish import MARGIN, Finisher, to_float
from sr_experiments.data.images import Images
from sr_experiments.data.impossible import refuse_impossible
from sr_experiments.data.library import Keeping, library_of
from sr_experiments.data.loader import StreamLoader, as_it_is
from sr_experiments.data.pair import PLANES
from sr_experiments.data.plan import Plan
from sr_experiments.data.ranged import refuse_other_range
from sr_experiments.data.sampler import EvenSampler, PositionSampler
from sr_experiments.data.shards import Shards
from sr_experiments.data.sources import Source
from sr_experiments.data.stock import TRAIN
from sr_experiments.data.threads import readers
from sr_experiments.degradations.base import Degradation
from sr_experiments.imaging.ledger import Ledger


class SRData(LightningDataModule):
    """Training crops and whole images for evaluation.

    Training batches: `gt` (B, C, patch, patch) and `lq` float32 in [0, 1], `position` (B,); with `scales`
    `enlarged`, of the size of `gt`, in place of `lq`. Evaluation
    batches of one image: `gt`, `lq`, `index` (1,), `name` [str], and `grey`, a bool: the file has one
    channel. In both, where there are any, `guide` (B, G, H, W) and `known` (B, 1, H, W), on those of `gt`.

    Training images are given in one of three ways: `train`, `root`, or `gt` and `lq`.

    Args:
        train: Training images.
        val: Validation images; where these are not given in the same way, the last of the training images are
            held out.
        root: Folder of good images.
        val_root: The same for validation.
        gt: Folder of the good images of pairs.
        lq: Folder of their small ones, with the same stems.
        val_gt: The same for validation.
        val_lq: The same for validation.
        held_out: How many of the training images are held out, but never more than a fifth.
        test: Name -> images of the final test; empty: the validation images.
        degradation: Makes `lq` where there is no file of it. A fixed one is applied to whole images; a random
            one to crops on the device, and in evaluation to whole images, the same in every run.
        name: What the data is called in tables.
        scale: Of super-resolution.
        channels: 3 RGB, 1 luma or grey, N bands.
        range: [low, high], the measured values that black and white of the images stand for, as
            `task=convert` wrote them. None: they are pictures.
        guide_channels: Of the guides that images need to have; 0: none is read.
        holes: A level of 0 in `gt` and `lq` is no measurement: it is filled, and `known` says where it was.
        seed: Of the stream of training samples.
        batch_size: Samples per device and step.
        patch_size: Side of the training crop of `gt` in pixels, a multiple of the scale.
        scales: Train one net for all of these at once, as VDSR was: every image comes at each of them, shrunk
            and brought back to its size by bicubic interpolation. Validation and test are at `scale`.
        steps_per_epoch: Optimizer steps that make an epoch.
        workers: Threads that read, or processes where every crop is decoded from its file. `auto`: none where
            images are decoded and training is on the CPU.
        cache: Keep decoded images in `memory`; those of training on `disk`, in a file that is mapped; those
            of training on the `device` that trains, and crop them there; or `none`. `auto`: in memory where
            they fill at most a quarter of what is free, else on disk where they fill at most half of that.
        cache_dir: Where the files are kept.
        cache_limit: Bytes that all of them together may take; those that were not used for longest make room.
            None: half of the disk's room.
        augment: What is done to both crops of a sample. None: mirrors and quarter turns.
        pin_memory: Page-locked batches, for faster copies to a GPU. `auto`: where there is one.
        demo: Whether the results are a demonstration and comparable with nothing.

    Raises:
        ValueError: If values do not fit together.
    """

    name: str  # Lightning's own may be None
    _finisher: Finisher | None = None

    def __init__(
        self,
        *,
        train: Source | None = None,
        val: Source | None = None,
        root: str | None = None,
        val_root: str | None = None,
        gt: str | None = None,
        lq: str | None = None,
        val_gt: str | None = None,
        val_lq: str | None = None,
        held_out: int = 10,
        test: Mapping[str, Source] | None = None,
        degradation: Degradation,
        name: str,
        scale: int,
        channels: int = 3,
        range: Sequence[float] | None = None,
        guide_channels: int = 0,
        holes: bool = False,
        seed: int = 0,
        batch_size: int = 16,
        patch_size: int = 192,
        scales: Sequence[int] | None = None,
        steps_per_epoch: int = 1000,
        workers: int | Literal["auto"] = "auto",
        cache: Literal["auto", "memory", "disk", "device", "none"] = "auto",
        cache_dir: str = "data/cache",
        cache_limit: float | None = None,
        augment: Augmentation | None = None,
        pin_memory: bool | Literal["auto"] = "auto",
        demo: bool = False,
    ) -> None:
        """Check the values; no file is looked at yet."""
        super().__init__()
        self.train, self.val = choose_sources(
            given=(train, val),
            root=root,
            val_root=val_root,
            pairs=(gt, lq),
            val_pairs=(val_gt, val_lq),
            held_out=held_out,
            scale=scale,
        )
        self.degradation, self.name, self.demo, self.guide_channels = degradation, name, demo, guide_channels
        self.scale, self.channels, self.holes, self.seed = scale, channels, holes, seed
        self.batch_size, self.patch_size, self.steps_per_epoch = batch_size, patch_size, steps_per_epoch
        self.workers, self.cache, self.cache_dir = workers, cache, Path(cache_dir).expanduser()
        self.pin_memory, self.cache_limit, self.test = pin_memory, cache_limit, dict(test or {})
        self.augment, self.scales, self.range = augment or Augmentation(), list(scales or []), range
        refuse_impossible(self)
        self.library, self._checked = library_of(self), set[str]()  # stages whose files were looked at

    # ---- before training

    @property
    def test_names(self) -> list[str]:
        """Of the test sets, in the order of their loaders."""
        return list(self.test) or [self.name]

    def image_names(self, dataset: str) -> list[str]:
        """The images of a test set or of `train`, by their numbers in batches; known after `setup`."""
        role = dataset if dataset == TRAIN else f"test {dataset}" if dataset in self.test else "val"
        return [item.name for item in self.library[role].items]

    def _sources(self, stage: str) -> dict[str, Source]:
        """What a stage reads. Training ends with the test: what is missing for that is told before, too."""
        tests = {f"test {name}": source for name, source in self.test.items()} or {"val": self.val}
        return {
            "fit": {TRAIN: self.train, "val": self.val, **tests},
            "look": {TRAIN: self.train},
            "validate": {"val": self.val},
        }.get(stage, tests)

    def check(self, stage: str = "fit") -> None:
        """Look at every file's header, once; `setup` does it by itself.

        Args:
            stage: `fit` (training, validation and test images), `look` (training images, which are then not
                kept), `validate`, or `test`.

        Raises:
            ValueError: With everything that is wrong, a line each.
        """
        if stage in self._checked:
            return
        sources = self._sources(stage)
        refuse_other_range(sources.values(), self.range)
        self.library.stock.check(sources)
        self._checked.add(stage)

    def setup(self, stage: str) -> None:
        """Check the files; decode training and validation images where they are kept in memory.

        Raises:
            ValueError: See `check`.
        """
        # Lightning's advice counts cores, not what a batch costs: cropping is quicker than handing it over.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        self.check(stage)
        ranks, device = self._local_ranks(), self._device()
        keeping = Keeping(self.cache, self.cache_dir, self.cache_limit, ranks, device)
        if stage in ("fit", "look"):
            self.library.open_training(self.train, keeping)
            self._finisher = Finisher(self._plan(), degradation=self.degradation)
        if stage == "fit":
            self.library.keep(keeping)

    def _plan(self) -> Plan:
        devices = self.trainer.world_size if self.trainer else 1
        return Plan(
            self.library.training_sizes(),
            seed=self.seed,
            scale=self.scale,
            patch_size=self.patch_size,
            augment=self.augment,
            # Of crops, too, a fixed degradation makes what it makes of whole images.
            margin=MARGIN if self.library.late and self.degradation.fixed else 0,
            enlarged=bool(self.scales),
            order=self.library.training_order(seed=self.seed, global_batch=self.batch_size * devices),
        )

    # ---- loaders

    def train_dataloader(self) -> StreamLoader:
        """An epoch of batches, from where the run stands."""
        trainer, images, on_device = self.trainer, self.library[TRAIN], self.cache == "device"
        assert self._finisher is not None, "setup has opened the images"
        dataset = TrainSet(self._finisher.plan, None if on_device else images)
        sampler = PositionSampler(
            batch_size=self.batch_size,
            batches=self.steps_per_epoch * self._batches_per_step(),
            start=self._batches_trained,
            rank=trainer.global_rank if trainer else 0,
            world_size=trainer.world_size if trainer else 1,
        )
        return StreamLoader(
            dataset,
            sampler=sampler,
            workers=0 if on_device else self._worker_count(images),
            threads=images.decoded and not isinstance(images, Shards),  # those are fetched meanwhile
            pin_memory=self._pins_memory(),
            ahead=ahead_on(self._device(), self._ready, plan=dataset.plan, samples=self.batch_size),
        )

    def val_dataloader(self) -> DataLoader[Batch]:
        """Whole images, one a batch."""
        return self._evaluation_loader("val")

    def test_dataloader(self) -> list[DataLoader[Batch]]:
        """A loader for each of `test_names`."""
        return [self._evaluation_loader(role) for role in self._sources("test")]

    def _evaluation_loader(self, role: str) -> DataLoader[Batch]:
        images = self.library[role]
        assert isinstance(images, Images)
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return DataLoader(
            EvalSet(images),
            batch_size=None,
            sampler=EvenSampler(len(images), rank=rank, world_size=world_size),
            collate_fn=as_it_is,
            num_workers=0 if images.decoded else self._worker_count(images),
            pin_memory=self._pins_memory(),
        )

    def _batches_trained(self) -> int:
        """The model's own count; Lightning's counts optimizer steps."""
        return int(getattr(self.trainer.lightning_module if self.trainer else None, "batches", 0))

    def _batches_per_step(self) -> int:
        """The model's own word, and the Trainer's beside a model that has none."""
        module = self.trainer.lightning_module if self.trainer else None
        of_trainer = self.trainer.accumulate_grad_batches if self.trainer else 1
        return int(getattr(module, "batches_per_step", of_trainer))

    def _worker_count(self, images: Opened) -> int:
        found = readers(decoded=images.decoded, gpu=self._on_gpu(), ranks=self._local_ranks())
        return found if self.workers == "auto" else self.workers

    def _pins_memory(self) -> bool:
        return self._on_gpu() if self.pin_memory == "auto" else self.pin_memory

    def _on_gpu(self) -> bool:
        return self._device().type == "cuda"

    def _device(self) -> torch.device:
        return self.trainer.strategy.root_device if self.trainer else torch.device("cpu")

    def _local_ranks(self) -> int:
        return self.trainer.num_devices if self.trainer else 1

    # ---- on the device

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """All but the positions: by these is decided on the CPU, and nobody is to wait for the device."""
        if isinstance(batch, Finished):
            return batch
        moving = {key: value for key, value in batch.items() if key != "position"}
        return {**batch, **super().transfer_batch_to_device(moving, device, dataloader_idx)}

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Whole images become floats; of crops a training batch is made, by what their positions say."""
        if isinstance(batch, Finished):
            return batch.claimed()
        if "position" not in batch:
            return batch | {key: to_float(batch[key]) for key in PLANES if key in batch}
        return self._ready(batch, batch["position"])

    def _ready(self, batch: Batch, positions: Tensor) -> dict[str, Tensor]:
        ready = self.finish(batch, positions)
        device = ready["gt"].device
        return {"position": positions.to(device, non_blocking=device.type not in ("cpu", "mps")), **ready}

    def finish(
        self, batch: Mapping[str, Tensor], positions: Tensor, *, ledger: Ledger | None = None
    ) -> dict[str, Tensor]:
        """`gt` and `lq` (or `enlarged`) of a training batch, where the pixels are.

        Args:
            batch: What the loader gave; pixels that are not in it are read now.
            positions: (B,) int64 on the CPU.
            ledger: Takes down what was decided for each sample, or prescribes it.
        """
        assert self._finisher is not None, "setup has opened the images"
        read, windows = {key: batch[key] for key in PLANES if key in batch}, None
        if not read:
            plan = self._finisher.plan
            windows = plan.windows(positions, ledger=ledger)
            read = self.library[TRAIN].read(windows, scale=plan.scale)
        return self._finisher(read, positions, windows=windows, ledger=ledger)
