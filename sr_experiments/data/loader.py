"""Loaders of ready batches."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader

from sr_experiments.data.dataset import Batch, TrainSet
from sr_experiments.data.sampler import PositionSampler

AHEAD = 2
"""Batches that are read ahead for each worker, as torch's loader does."""


def as_it_is(batch: Any) -> Any:
    """The data sets return batches: nothing is left to be put together."""
    return batch


class StreamLoader(DataLoader[Batch]):
    """A loader that continues where the run stands, because its sampler asks for it.

    Workers are threads where images are decoded already: to read a batch is then one call that leaves the
    interpreter free, and a batch from another process would have to be copied. Else they are processes.

    Lightning warns when a run continues within an epoch from a loader that has no state of its own to
    restore. This one needs none, because the count of batches is in the model's checkpoint.

    Args:
        dataset: Of the run's stream.
        sampler: Says which positions make a batch.
        workers: Threads or processes that read ahead; 0: nothing is read ahead.
        threads: Whether they are threads.
        pin_memory: Whether batches lie in memory that a GPU copies from by itself.
    """

    def __init__(
        self, dataset: TrainSet, *, sampler: PositionSampler, workers: int, threads: bool, pin_memory: bool
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
        self.threads = workers - processes
        self._read = dataset.__getitems__

    def __iter__(self) -> Any:  # of torch's own type, or a generator
        """An epoch's batches, in order."""
        return self._read_ahead() if self.threads else super().__iter__()

    def _read_ahead(self) -> Iterator[Batch]:
        pins = self.pin_memory and torch.cuda.is_available()
        read = partial(_pinned, self._read) if pins else self._read
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
