"""Work that is done behind its owner: on a thread of its own, in order; errors are told at the end."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import torch


class Behind:
    """One thread, and what waits for it.

    There is a thread only while there is something to do: where a process is forked, as loaders fork theirs,
    `finish` comes before.

    Args:
        waiting: Pieces of work at most; one more waits until the first of them is done. Each of them holds
            what it works on.
    """

    def __init__(self, *, waiting: int = 4) -> None:
        """Nothing is to be done yet."""
        self._most = waiting
        self._waiting: deque[Future[Any]] = deque()
        self._pool: ThreadPoolExecutor | None = None

    def do(self, work: Callable[[], Any]) -> None:
        """Have it done some time before `finish` returns.

        Raises:
            Exception: What earlier work has raised.
        """
        while len(self._waiting) >= self._most:
            self._waiting.popleft().result()
        if self._pool is None:
            torch.get_num_threads()  # fixes this thread's number; what the other sets would become it
            self._pool = ThreadPoolExecutor(1, "behind", initializer=partial(torch.set_num_threads, 1))
        self._waiting.append(self._pool.submit(work))

    def finish(self) -> None:
        """Wait until all is done.

        Raises:
            Exception: The first that was raised; what had to be done after it is not done any more.
        """
        try:
            while self._waiting:
                self._waiting.popleft().result()
        finally:
            self.give_up()

    def give_up(self) -> None:
        """Wait for what is being done now, and leave the rest."""
        self._waiting.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
