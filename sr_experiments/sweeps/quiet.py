"""What a sweep says once, and not again with each of its runs."""

import logging
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from sr_experiments.ranks import one_of_several

_said: dict[Path, set[tuple[object, ...]]] = {}  # by the sweep's folder


class Once(logging.Filter):
    """Leaves out what an earlier run of the sweep has said, of lines logged with ``extra={"once": True}``.

    Lines count as the same that differ in a time only, which is what floats in them are.

    Args:
        sweep: The sweep's folder.
    """

    def __init__(self, sweep: Path) -> None:
        """For the runs of one sweep."""
        super().__init__()
        self._known = _said.setdefault(sweep, set())

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is said."""
        if not getattr(record, "once", False):
            return True
        arguments = record.args if isinstance(record.args, tuple) else ()
        key = (record.msg, *(one for one in arguments if not isinstance(one, float)))
        new = key not in self._known
        self._known.add(key)
        return new


def say_once() -> None:
    """Where runs of a sweep follow one another in this process: in what is shown, not in their files."""
    if not one_of_several():
        return
    sweep = Path(HydraConfig.get().sweep.dir).absolute()
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler:  # a run's file has all
            handler.addFilter(Once(sweep))
