"""Which of very many runs have to be looked at, to find the mistakes in all of them.

A mistake is in a value, or in values that are judged together (`config.TOGETHER`), beside the same choices.
So a run needs no look of its own where all of its values were in runs without a mistake, nor where one of
them is known to be a mistake: it has the same.
"""

from sr_experiments.config import TOGETHER
from sr_experiments.sweeps.compose import Parts

ENOUGH = 20
"""So many mistakes without a run that has none: the next ones are not looked at."""

_Kind = tuple[tuple[tuple[str, ...], tuple[str, ...]], tuple[str, ...]]


class Looks:
    """What was seen so far, and what follows from it."""

    def __init__(self) -> None:
        """Nothing was looked at."""
        self._right: set[_Kind] = set()
        self._wrong: dict[_Kind, str] = {}
        self._failed: dict[object, int] = {}

    def needed(self, parts: Parts) -> bool:
        """Whether a run has to be looked at."""
        kinds = _kinds(parts)
        wrong = [kind for kind in kinds if kind in self._wrong]
        unknown = [kind for kind in kinds if kind not in self._right and kind not in self._wrong]
        return len(wrong) > 1 or bool(unknown)

    def given_up(self, parts: Parts) -> bool:
        """Whether so much is wrong with runs of the same choices that the rest can wait."""
        return self._failed.get(parts.frame, 0) >= ENOUGH

    def mistake(self, parts: Parts) -> str | None:
        """What is wrong with a run that needs no look."""
        return next((self._wrong[kind] for kind in _kinds(parts) if kind in self._wrong), None)

    def note(self, parts: Parts, mistake: str | None) -> None:
        """Keep what a look has shown."""
        kinds = _kinds(parts)
        if mistake is None:
            self._right.update(kinds)
            self._failed[parts.frame] = 0
            return
        self._failed[parts.frame] = self._failed.get(parts.frame, 0) + 1
        suspects = [kind for kind in kinds if kind not in self._right]
        if len(suspects) == 1:
            self._wrong[suspects[0]] = mistake
            self._failed[parts.frame] = 0


def _kinds(parts: Parts) -> list[_Kind]:
    """The choices alone, and with them each value, or those that are judged together."""
    values = dict(parts.values)
    if values.get("seed", "").removeprefix("seed=").isdigit():
        values["seed"] = "seed"  # one is as good as another
    joint = [tuple(values.pop(key) for key in keys if key in values) for keys in TOGETHER]
    alone = [(text,) for text in values.values()]
    return [(parts.frame, texts) for texts in [(), *filter(None, joint), *alone]]
