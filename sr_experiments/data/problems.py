"""How a list of things that are wrong is told."""

from collections.abc import Sequence

SHOWN = 10


def shortened(names: Sequence[str], *, separator: str = ", ") -> str:
    """The first names, and how many more there are."""
    more = len(names) - SHOWN
    return separator.join(names[:SHOWN]) + (f"{separator}and {more} more" if more > 0 else "")
