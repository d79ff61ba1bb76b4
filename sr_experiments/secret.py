"""Keeping keys and passwords out of what a run writes.

A secret is the value of an environment variable whose name says so, and a password inside an address.
"""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

HIDDEN = "<hidden>"
"""In their place; YAML takes it for a word, which it does not take asterisks for."""
_NAMES = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS)$", re.IGNORECASE)
_SHORTEST = 8  # a shorter value, such as "1" or "true", is no secret and may stand anywhere
_ADDRESS = re.compile(r"(?<=://)[^/@\s:]+:[^/@\s]+(?=@)")


def redacted(text: str, *, environment: Mapping[str, str] = os.environ) -> str:
    """A text without secrets."""
    return _without(text, _secrets(environment))


def redacted_all(value: Any) -> Any:
    """The same of every text inside lists and mappings."""
    return _all_without(value, _secrets(os.environ))


def _all_without(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, str):
        return _without(value, secrets)
    if isinstance(value, Mapping):
        return {key: _all_without(entry, secrets) for key, entry in value.items()}
    return [_all_without(entry, secrets) for entry in value] if isinstance(value, list | tuple) else value


def _without(text: str, secrets: Sequence[str]) -> str:
    for value in secrets:
        text = text.replace(value, HIDDEN)
    return _ADDRESS.sub(HIDDEN, text)


def _secrets(environment: Mapping[str, str]) -> list[str]:
    found = {value for name, value in environment.items() if _NAMES.search(name) and len(value) >= _SHORTEST}
    return sorted(found, key=len, reverse=True)  # one may be a part of another


class WithoutSecrets(logging.Filter):
    """Takes secrets out of what is logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the message; everything passes."""
        message = record.getMessage()
        clean = redacted(message)
        if clean != message:
            record.msg, record.args = clean, ()
        return True


def watch_logs() -> None:
    """On every handler there is: a filter of a logger does not see what its children log."""
    for handler in logging.getLogger().handlers:
        if not any(isinstance(known, WithoutSecrets) for known in handler.filters):
            handler.addFilter(WithoutSecrets())
