"""What happens to a step whose gradient is infinite or not a number.

Whether it is can be asked at once, which waits until the device has computed it. Or the optimizer's own
kernel leaves the step out, and the answer is read later, when the device is waited for anyway (see
docs/decisions/0024-the-hot-loop.md).
"""

import logging
import math
from collections import defaultdict
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer

_log = logging.getLogger(__name__)
_MOST_UNREAD = 100  # steps; then they are read, logged or not


class Diverged(ValueError):
    """Training can not go on; the message says when, by which term, and from where to start again."""


class _Step(NamedTuple):
    """A step that nobody has looked at yet."""

    net: str
    batches: int
    norm: Tensor
    values: dict[str, Tensor]


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

    # Kinds of devices that compute while the program goes on; `meta` has shapes and no values, for tests.
    runs_ahead: ClassVar[tuple[str, ...]] = ("cuda", "meta")

    def __init__(self, *, max_skipped: int) -> None:
        """Start with nothing left out."""
        if max_skipped < 0:
            raise ValueError(f"model.max_skipped={max_skipped}: must be 0 (stop at the first) or more")
        self.max_skipped = max_skipped
        self.total = 0
        self._in_a_row: dict[str, int] = defaultdict(int)
        self._skipped: dict[str, bool] = defaultdict(bool)
        self._values: dict[str, dict[str, Tensor]] = defaultdict(dict)
        self._made: dict[str, Tensor] = {}
        self._unread: list[_Step] = []

    @property
    def notes(self) -> list[str]:
        """One sentence, if anything was left out."""
        return [f"{self.total} steps were left out: their gradients were not finite"] if self.total else []

    def begin(self) -> None:
        """Forget the last step."""
        self._values.clear()
        self._skipped.clear()
        self._made.clear()

    def saw(self, net: str, values: dict[str, Tensor]) -> None:
        """Keep the sum of a step's values, so that one that is not finite can be named. Waits for nothing."""
        mine = self._values[net]
        for name, value in values.items():
            mine[name] = mine[name] + value.detach() if name in mine else value.detach()

    def good(self, net: str) -> None:
        """The gradient of `net` is finite."""
        self._in_a_row[net] = 0

    def skipped(self, net: str) -> bool:
        """Whether this step of `net` was left out; False where only the device knows."""
        return self._skipped[net]

    def made(self, net: str) -> Tensor | None:
        """A bool () on the device: whether this step of `net` was made; None: see `skipped`."""
        return self._made.get(net)

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
        broken = _not_finite(self._values[net])
        if not scaled or broken:
            self._count(net, batches=batches, norm=float(norm), broken=broken, checkpoint=checkpoint)

    # ---- on a device that is not waited for

    def waits(self, norm: Tensor, optimizer: Optimizer, *, scaled: bool) -> bool:
        """Whether a step is looked at before it is made: else the optimizer must be able to leave it out."""
        fused = all(group.get("fused") for group in optimizer.param_groups)
        takes_flag = fused and getattr(optimizer, "_step_supports_amp_scaling", False)
        return scaled or not takes_flag or norm.device.type not in self.runs_ahead

    def look_later(self, net: str, optimizer: Optimizer, *, batches: int, norm: Tensor) -> None:
        """Let the optimizer leave the step out if its gradient is not finite, and read that later."""
        made = norm.isfinite()
        # What torch's scaler of fp16's gradients tells its kernels: 1 is to change nothing, not even the
        # count of steps.
        optimizer.found_inf = (~made).to(torch.float32)  # type: ignore[attr-defined]
        self._made[net] = made
        self._unread.append(_Step(net, batches, norm, dict(self._values[net])))

    @property
    def has_to_look(self) -> bool:
        """Whether there are so many steps to read that they are read now."""
        return len(self._unread) >= _MOST_UNREAD

    def look(self, checkpoint: str) -> None:
        """Read what was left for later, in order. Waits once.

        Args:
            checkpoint: The last one that was written; empty for none.

        Raises:
            Diverged: too many in a row.
        """
        steps, self._unread = self._unread, []
        if not steps:
            return
        norms = torch.stack([step.norm for step in steps]).tolist()
        for step, norm in zip(steps, norms, strict=True):
            if math.isfinite(norm):
                self.good(step.net)
            else:
                broken = _not_finite(step.values)
                self._count(step.net, batches=step.batches, norm=norm, broken=broken, checkpoint=checkpoint)

    # ---- inside

    def _count(self, net: str, *, batches: int, norm: float, broken: list[str], checkpoint: str) -> None:
        self.total += 1
        self._in_a_row[net] += 1
        cause = f"its {' and '.join(broken)} is not finite" if broken else "though each term is finite"
        what = f"batch {batches}: the gradient of the {net} is {norm}, {cause}"
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


def _not_finite(values: dict[str, Tensor]) -> list[str]:
    return [name for name, value in values.items() if not bool(torch.isfinite(value))]
