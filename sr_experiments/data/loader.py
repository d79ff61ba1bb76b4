"""Loaders of ready batches."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch.utils.data import DataLoader

from sr_experiments.data.ahead import Ahead
from sr_experiments.data.dataset import Batch, TrainSet
from sr_experiments.data.sampler import PositionSampler

AHEAD = 2
"""Batches that are read ahead for each worker, as torch's loader does."""
TOGETHER, FEW_BYTES = 16, 1 << 20
"""Small batches are read at once: so many, or as many as have so many bytes."""


def as_it_is(batch: Any) -> Any:
    """The data sets return batches: nothing is left to be put together."""
    return batch


class StreamLoader(DataLoader[Batch]):
    """A loader that continues where the run stands, because its sampler asks for it.

    Workers are threads where images are decoded already: to read a batch is then one call that leaves the
    interpreter free, and a batch from another process would have to be copied. Else they are processes.
    Without workers several small batches are read by one call, because to read one takes as long.

    Lightning warns when a run continues within an epoch from a loader that has no state of its own to
    restore. This one needs none, because the count of batches is in the model's checkpoint.

    Args:
        dataset: Of the run's stream.
        sampler: Says which positions make a batch.
        workers: Threads or processes that read ahead; 0: nothing is read ahead.
        threads: Whether they are threads.
        pin_memory: Whether batches lie in memory that a GPU copies from by itself.
        ahead: Finishes what was read before it is asked for; None: that is left to whoever asks.
    """

    def __init__(
        self,
        dataset: TrainSet,
        *,
        sampler: PositionSampler,
        workers: int,
        threads: bool,
        pin_memory: bool,
        ahead: Ahead | None = None,
    ) -> None:
        """Nothing is read yet."""
        processes = 0 if threads else workers
        super().__init__(
            dataset,
            batch_sampler=sampler,
            collate_fn=as_it_is,
            num_workers=processes,
            persistent_workers=processes > 0,
            pin_memory=pin_memory,
        )
        self.threads, self.ahead = workers - processes, ahead
        self._read = dataset.__getitems__
        self._pins = pin_memory and torch.cuda.is_available()
        # Partners of a mixture stand behind all samples of what is read.
        self._together = threads and not (workers or self._pins or dataset.plan.augment.mixes)

    def __iter__(self) -> Any:  # of torch's own type, or a generator
        """An epoch's batches, in order."""
        if self._together:
            read = self._read_together()
        else:
            read = self._read_ahead() if self.threads else super().__iter__()
        return read if self.ahead is None else self.ahead(read)

    def _read_together(self) -> Iterator[Batch]:
        coming, count = iter(self.batch_sampler or ()), 1
        while several := list(islice(coming, count)):
            read = self._read([position for positions in several for position in positions])
            parts = {key: torch.split(values, len(several[0])) for key, values in read.items()}
            for number in range(len(several)):
                yield {key: values[number] for key, values in parts.items()}
            size = sum(values.nbytes for values in read.values()) // len(several)
            count = max(1, min(TOGETHER, FEW_BYTES // size))

    def _read_ahead(self) -> Iterator[Batch]:
        read = partial(_pinned, self._read) if self._pins else self._read
        torch.get_num_threads()  # fixes this thread's number; what the others set would become it
        pool = ThreadPoolExecutor(self.threads, "reader", initializer=partial(torch.set_num_threads, 1))
        waiting: deque[Future[Batch]] = deque()
        try:
            for positions in self.batch_sampler or ():
                waiting.append(pool.submit(read, positions))
                if len(waiting) > AHEAD * self.threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def state_dict(self) -> dict[str, Any]:
        """Nothing beside the model's count."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


def _pinned(read: Callable[[list[int]], Batch], positions: list[int]) -> Batch:
    return {key: value.pin_memory() for key, value in read(positions).items()}
