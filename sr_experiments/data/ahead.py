"""Training batches finished on a GPU before they are asked for.

To turn, mix and spoil a batch takes thousands of small calls, few of which last as long on the GPU as on the
processor. So it is done beside the training, by threads and on a stream of their own, and for several batches
at once, which takes less than for each. What comes out depends on positions only, so it is the same.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from sr_experiments.data.dataset import Batch
from sr_experiments.data.plan import Plan

THREADS = 2  # one decides, while the other one waits for the interpreter
MOST, PIXELS = 16, 1 << 22
"""Batches that are finished together: so many, or as many as have so many pixels of `gt`."""


class Finished(dict[str, Any]):
    """A training batch on its device.

    Attributes:
        event: When it is ready; None: it is.
    """

    event: torch.cuda.Event | None = None

    def claimed(self) -> Batch:
        """For the current stream, whose next kernels wait until it is ready; the program does not."""
        if self.event is not None:
            stream = torch.cuda.current_stream()
            stream.wait_event(self.event)
            for tensor in self.values():
                tensor.record_stream(stream)
        return dict(self)


class Ahead:
    """Finishes batches.

    Args:
        finish: Makes a training batch of what was read, which lies on the device, and positions on the CPU.
        device: Where to.
        together: How many batches by one call.
    """

    def __init__(
        self, finish: Callable[[Batch, Tensor], dict[str, Tensor]], *, device: torch.device, together: int
    ) -> None:
        """Nothing is finished yet."""
        self.finish, self.device, self.together = finish, device, together

    def __call__(self, batches: Iterator[Batch]) -> Iterator[Finished]:
        """The batches of a loader, finished, in order.

        Args:
            batches: As they were read, alike but in what they say.
        """
        # One stream for all threads: what one of them keeps on the device the other one may use.
        stream = None
        if self.device.type == "cuda":
            stream = torch.cuda.Stream(self.device, priority=-1)  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream(self.device))
        pool = ThreadPoolExecutor(THREADS, "finisher", initializer=partial(torch.set_num_threads, 1))
        waiting: deque[Future[list[Finished]]] = deque()
        count = 1  # the first ones are waited for
        try:
            while group := list(islice(batches, count)):
                waiting.append(pool.submit(self._finished, group, stream))
                if len(waiting) > THREADS:
                    yield from waiting.popleft().result()
                count = min(2 * count, self.together)
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _finished(self, group: Sequence[Batch], stream: torch.cuda.Stream | None) -> list[Finished]:
        with ExitStack() as within:
            if stream is not None:
                within.enter_context(torch.cuda.device(self.device))
                within.enter_context(torch.cuda.stream(stream))
            positions = torch.cat([batch["position"] for batch in group])
            read = {
                key: self._joined([batch[key] for batch in group]) for key in group[0].keys() - {"position"}
            }
            ready = self.finish(read, positions)
            event = stream.record_event() if stream is not None else None
        parts = {key: torch.split(tensor, len(group[0]["position"])) for key, tensor in ready.items()}
        found = [Finished({key: each[number] for key, each in parts.items()}) for number in range(len(group))]
        for batch in found:
            batch.event = event
        return found

    def _joined(self, parts: Sequence[Tensor]) -> Tensor:
        """On the device, behind one another; copied without waiting where they lie in pinned memory."""
        first, rows = parts[0], len(parts[0])
        whole = torch.empty((rows * len(parts), *first.shape[1:]), dtype=first.dtype, device=self.device)
        for number, part in enumerate(parts):
            whole[number * rows : (number + 1) * rows].copy_(part, non_blocking=True)
        return whole


def ahead_on(
    device: torch.device,
    finish: Callable[[Batch, Tensor], dict[str, Tensor]],
    *,
    plan: Plan,
    samples: int,
) -> Ahead | None:
    """What finishes batches on a GPU; None elsewhere: a processor does one thing after the other anyway.

    Args:
        device: Where to.
        finish: See `Ahead`.
        plan: By which batches are read.
        samples: Of a batch.
    """
    if device.type != "cuda":
        return None
    pixels = samples * (plan.side * plan.scale) ** 2
    alike = not plan.augment.mixes and plan.augment.crop_scale is None  # what is read has one shape
    return Ahead(finish, device=device, together=max(1, min(MOST, PIXELS // pixels)) if alike else 1)
