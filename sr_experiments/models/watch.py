"""Whether the game between generator and discriminator is still one."""

import logging
from collections import defaultdict, deque

_log = logging.getLogger(__name__)
_SAMPLES = 10  # measurements that must agree
_SURE = 0.99  # share of right decisions
_VANISHED = 1e-3  # of the largest gradient seen
_STOPPED = 1e-6  # likewise, of the discriminator's own


class Watch:
    """Warns, once each, when the discriminator has won or is dead.

    It has won when it tells nearly all images apart and the gradient that it hands the generator has
    vanished: the generator learns nothing from it any more. It is dead when its own gradient has vanished,
    or when it says the same of restored and true images.

    Attributes:
        notes: What was found.
    """

    def __init__(self) -> None:
        """Nothing seen yet."""
        self.notes: list[str] = []
        self._seen: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_SAMPLES))
        self._largest: dict[str, float] = defaultdict(float)
        self._told: set[str] = set()

    def saw(self, **values: float) -> None:
        """Keep measurements: ``accuracy``, ``d_real``, ``d_fake``, ``adversarial_gradient``, ``*_norm``."""
        for name, value in values.items():
            self._seen[name].append(value)
            self._largest[name] = max(self._largest[name], value)

    def judge(self, *, batches: int) -> None:
        """Say what there is to say."""
        accuracy = self._mean("accuracy")
        if accuracy is None:
            return
        if accuracy >= _SURE and self._vanished("adversarial_gradient", _VANISHED):
            self._tell(
                "won",
                f"batch {batches}: the discriminator has won: it is right about {accuracy:.0%} of the images "
                f"and its gradient to the generator is less than {_VANISHED:g} of what it was. A lower "
                "model.discriminator_rate, adversary.loss.smoothing or adversary.r1 may keep the game open",
            )
        real, fake = self._seen["d_real"], self._seen["d_fake"]
        same = len(real) == _SAMPLES and all(
            abs(r - f) <= _STOPPED * max(1.0, abs(r)) for r, f in zip(real, fake, strict=True)
        )
        # One that is right about all has nothing to learn either; it is not dead for that.
        still = self._seen["accuracy"][-1] < _SURE and self._vanished("discriminator_norm", _STOPPED)
        if same or still:
            why = "says the same of restored and true images" if same else "has no gradient any more"
            self._tell(
                "dead",
                f"batch {batches}: the discriminator is dead: it {why}. Start again with another seed, "
                "a lower model.discriminator_rate, or another discriminator=",
            )

    def _mean(self, name: str) -> float | None:
        seen = self._seen[name]
        return sum(seen) / len(seen) if len(seen) == _SAMPLES else None

    def _vanished(self, name: str, fraction: float) -> bool:
        mean = self._mean(name)
        return mean is not None and mean <= fraction * self._largest[name]

    def _tell(self, what: str, text: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self.notes.append(text)
            _log.warning(text)
