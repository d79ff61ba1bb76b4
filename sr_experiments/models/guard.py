"""What happens to a step whose gradient is infinite or not a number."""

import logging
from collections import defaultdict

import torch
from torch import Tensor

_log = logging.getLogger(__name__)


class Diverged(ValueError):
    """Training can not go on; the message says when, by which term, and from where to start again."""


class Guard:
    """Leaves bad steps out, and ends a run that has nothing but bad steps.

    Args:
        max_skipped: Steps in a row of one net that may be left out. One more raises `Diverged`.

    Attributes:
        total: Steps left out so far, of all nets. Overflows of fp16's scaled gradients, which its scaler
            answers by a smaller scale, are left out as well and not counted.
        notes: What the reader of the results must know.

    Raises:
        ValueError: `max_skipped` is negative.
    """

    def __init__(self, *, max_skipped: int) -> None:
        """Start with nothing left out."""
        if max_skipped < 0:
            raise ValueError(f"model.max_skipped={max_skipped}: must be 0 (stop at the first) or more")
        self.max_skipped = max_skipped
        self.total = 0
        self._in_a_row: dict[str, int] = defaultdict(int)
        self._skipped: dict[str, bool] = defaultdict(bool)
        self._values: dict[str, dict[str, Tensor]] = defaultdict(dict)

    @property
    def notes(self) -> list[str]:
        """One sentence, if anything was left out."""
        return [f"{self.total} steps were left out: their gradients were not finite"] if self.total else []

    def begin(self) -> None:
        """Forget the last step."""
        self._values.clear()
        self._skipped.clear()

    def saw(self, net: str, values: dict[str, Tensor]) -> None:
        """Keep the sum of a step's values, so that one that is not finite can be named. Waits for nothing."""
        mine = self._values[net]
        for name, value in values.items():
            mine[name] = mine[name] + value.detach() if name in mine else value.detach()

    def good(self, net: str) -> None:
        """The gradient of `net` is finite."""
        self._in_a_row[net] = 0

    def skipped(self, net: str) -> bool:
        """Whether this step of `net` was left out."""
        return self._skipped[net]

    def bad(self, net: str, *, batches: int, norm: Tensor, scaled: bool, checkpoint: str) -> None:
        """The gradient of `net` is not finite.

        Args:
            net: Whose.
            batches: Trained so far, this one included.
            norm: Of the gradient.
            scaled: Whether fp16's scaler has scaled it.
            checkpoint: The last one that was written; empty for none.

        Raises:
            Diverged: too many in a row.
        """
        self._skipped[net] = True
        broken = [name for name, value in self._values[net].items() if not bool(torch.isfinite(value))]
        if scaled and not broken:
            return
        self.total += 1
        self._in_a_row[net] += 1
        cause = f"its {' and '.join(broken)} is not finite" if broken else "though each term is finite"
        what = f"batch {batches}: the gradient of the {net} is {float(norm)}, {cause}"
        if self._in_a_row[net] <= self.max_skipped:
            _log.warning("%s; the step is left out", what)
            return
        before = f"after {self.max_skipped} steps in a row that were left out" if self.max_skipped else ""
        saved = (
            f"The last good checkpoint is {checkpoint}: init_from={checkpoint} starts from its weights."
            if checkpoint
            else "No checkpoint was written yet."
        )
        raise Diverged(
            f"training has diverged. {what}{', ' if before else ''}{before}. {saved} A lower optimizer.lr, "
            "trainer.gradient_clip_val=1 or precision=32-true may keep it from that"
        )
