"""Loaders of ready batches."""

from typing import Any

from torch.utils.data import DataLoader

from sr_experiments.data.dataset import Batch


def as_it_is(batch: Any) -> Any:
    """The data sets return batches: nothing is left to be put together."""
    return batch


class StreamLoader(DataLoader[Batch]):
    """A loader that continues where the run stands, because its sampler asks for it.

    Lightning warns when a run continues within an epoch from a loader that has no state of its own to
    restore. This one needs none, because the count of batches is in the model's checkpoint.
    """

    def state_dict(self) -> dict[str, Any]:
        """Nothing beside the model's count."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""
