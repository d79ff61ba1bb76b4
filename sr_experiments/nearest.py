"""What somebody may have meant: the nearest name, key, file or folder to one that is not there."""

import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_SAME = 0.9  # of difflib's ratio: one letter too much or too few
_NEAR = 0.6  # of keys, of which there are many, so that something is always a little like it
_NEAR_PATH = 0.75  # two letters that changed places; but DIV2K is not DIV2K_valid, nor Set5 Set14
_MANY = 10_000  # names in a folder, more of which are not compared
_ELSEWHERE = re.compile(r"\$\{([\w.]+)\}")  # a key that only repeats another


def nearest(given: str, known: Sequence[str]) -> str:
    """`` Did you mean 'x'?`` or nothing."""
    return _meant(_close(given, known, cutoff=0.5)[:1])


def nearest_key(given: str, config: Mapping[str, Any], *, alike: bool = True) -> str:
    """The same for a key of a config, by whose last part alone people know it.

    Before keys that are spelled alike come those that are called so wherever they are (``lr`` is
    ``optimizer.lr``), and those that have it as a word or stand for the same letters (``epochs``,
    ``learning_rate``).

    Args:
        given: The key that is not there.
        config: Plain, not resolved.
        alike: Whether those count that are merely spelled alike.
    """
    name = given.rpartition(".")[2].lower()
    last: dict[str, list[str]] = {}
    for key in dict.fromkeys(typed for _, typed in _keys_in(config)):
        last.setdefault(key.rpartition(".")[2], []).append(key)
    ratios = {one: difflib.SequenceMatcher(None, one.lower(), name).ratio() for one in last}
    best = max(ratios, key=lambda one: ratios[one])
    found = [key for one in last if _akin(name, one.lower()) for key in last[one]]
    if ratios[best] >= (_SAME if alike else 1):
        # One that is nearer to the top is as likely meant: schedule, for scheduler.
        top = min(map(_depth, last[best]))
        close = [key for one in last if ratios[one] >= _SAME for key in last[one] if _depth(key) < top]
        found = [*last[best], *close]
    elif alike and not found:
        near = [key for one in last if ratios[one] >= _NEAR for key in last[one]]
        found = sorted(near, key=lambda key: 0.05 * _depth(key) - ratios[key.rpartition(".")[2]])[:1]
    return _meant(sorted(found, key=lambda key: (_depth(key), key.count("_")))[:3])


def nearest_path(given: Path, *, fits: Callable[[Path], bool] = Path.exists) -> str:
    """``. Did you mean 'x'?`` or nothing: of a file or a folder, mistyped in any of its parts.

    Args:
        given: What is not there.
        fits: Whether something is of the kind that is needed.
    """
    found = _path_like(given, fits)
    return f".{_meant([str(found)])}" if found is not None else ""


def keys_in(node: Mapping[str, Any]) -> list[str]:
    """All keys of a plain config, with dots."""
    return [key for key, _ in _keys_in(node)]


def _keys_in(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(key, as it is typed): an option of the task has no prefix, and what repeats another is that one."""
    for name, value in node.items():
        key = f"{prefix}{name}"
        repeats = _ELSEWHERE.fullmatch(value) if isinstance(value, str) else None
        yield key, repeats[1] if repeats else key.removeprefix("task.")
        if isinstance(value, Mapping):
            yield from _keys_in(value, f"{key}.")


def _depth(key: str) -> int:
    return key.count(".")


def _meant(names: Sequence[str]) -> str:
    return f" Did you mean {' or '.join(repr(name) for name in names)}?" if names else ""


def _close(given: str, known: Sequence[str], *, cutoff: float) -> list[str]:
    by_lower = {name.lower(): name for name in known}
    return [by_lower[one] for one in difflib.get_close_matches(given.lower(), by_lower, cutoff=cutoff)]


def _akin(given: str, name: str) -> bool:
    """Whether one has all words of the other, or is its first letters: bs, batch_size."""
    shorter, longer = sorted((given.split("_"), name.split("_")), key=len)
    letters = "".join(word[:1] for word in longer)
    return len(longer) > 1 and (_stems(shorter) <= _stems(longer) or shorter == [letters])


def _stems(words: Sequence[str]) -> set[str]:
    return {word.removesuffix("s") for word in words}


def _path_like(given: Path, fits: Callable[[Path], bool]) -> Path | None:
    if given.exists():
        return given if fits(given) else None
    parent = given.parent if given.parent.exists() else _path_like(given.parent, Path.is_dir)
    try:
        names = os.listdir(parent) if parent is not None and parent != given else []
    except OSError:  # not a folder, or not ours to look into
        return None
    close = _close(given.name, names, cutoff=_NEAR_PATH) if len(names) <= _MANY else []
    return next((parent / name for name in close if parent is not None and fits(parent / name)), None)
