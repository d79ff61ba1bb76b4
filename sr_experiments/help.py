"""What ``--help`` says of the groups: their choices, no wider than the terminal."""

import shutil
import textwrap
from collections.abc import Iterator

from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType

_WIDEST = 100  # longer lines are hard to read


def choices() -> str:
    """Every group with the choices that somebody can type, a paragraph each.

    Hydra's own list has a line for each group, of up to 300 characters, and files that only others build upon
    (``_base``).
    """
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    listed = dict(_groups())
    column = max(map(len, listed)) + 2
    return "\n".join(
        textwrap.fill(
            ", ".join(listed[group]),
            width=max(width, column + 20),
            initial_indent=group.ljust(column),
            subsequent_indent=" " * column,
            break_on_hyphens=False,
        )
        for group in sorted(listed)
    )


def _groups(parent: str = "") -> Iterator[tuple[str, list[str]]]:
    """(group, its choices) for each that is not Hydra's."""
    loader = GlobalHydra.instance().config_loader()
    for name in loader.list_groups(parent):
        group = f"{parent}/{name}" if parent else name
        if group == "hydra":
            continue
        options = loader.get_group_options(group, results_filter=ObjectType.CONFIG)
        typed = sorted(option for option in options if not option.startswith("_"))
        if typed:
            yield group, typed
        yield from _groups(group)
