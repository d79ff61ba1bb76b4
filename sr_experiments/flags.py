"""Words with dashes: which there are is Hydra's to say, and a mistake in one ours.

Its parser prints how to use itself, seven lines of what nobody types, and can not read a flag between two of
the other arguments.
"""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from hydra._internal.utils import get_args_parser

from sr_experiments.nearest import nearest

PREVIEW = "--dry-run"


def with_known_flags(arguments: Sequence[str]) -> Sequence[str]:
    """The same.

    Raises:
        ValueError: If there is no such flag, or its value is missing or none of those that it takes.
    """
    _, unread = _read([argument for argument in arguments if argument.partition("=")[0] != PREVIEW])
    for argument in unread:
        if argument.startswith("-"):
            flag = argument.partition("=")[0].lstrip("-")
            known = [one.lstrip("-") for one in [*get_args_parser()._option_string_actions, PREVIEW]]
            close = nearest(flag, [one for one in known if len(one) > 2])
            meant = (
                close.replace("'", "'--", 1)
                if close
                else " A key has no dashes: KEY=VALUE, such as model=rcan"
            )
            raise ValueError(f"{argument}: there is no such flag.{meant}")
    return arguments


def with_flags_behind(arguments: Sequence[str]) -> list[str]:
    """All others first, where a flag stands between two of them."""
    others, unread = _read(arguments)
    if not unread:
        return list(arguments)
    return [*others, *unread, *(one for one in arguments if one not in {*others, *unread})]


def _read(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The arguments that are no flags, and those that Hydra would not read."""
    parser: argparse.ArgumentParser = get_args_parser()
    parser.error = _refuse  # type: ignore[method-assign]
    read, unread = parser.parse_known_args(list(arguments))
    return list(read.overrides), unread


def _refuse(message: str) -> NoReturn:
    raise ValueError(message.removeprefix("argument "))
