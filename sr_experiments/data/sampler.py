"""Which positions of the run's stream make the next batches."""

from collections.abc import Callable, Iterator

from torch.utils.data import Sampler


class PositionSampler(Sampler[list[int]]):
    """Batches from wherever the run stands.

    Batch g of the run, over all devices, is the positions from g * n * batch_size on, where n is the number
    of devices; each device takes a contiguous part of it. So the union over devices depends on the global
    batch size only, and a run that continues needs nothing but the number of batches behind it.

    Args:
        batch_size: Of this device.
        batches: Length of an epoch.
        start: Asked at the start of every iteration: how many batches the run has trained.
        rank: This device's number.
        world_size: How many devices there are.
    """

    def __init__(
        self,
        *,
        batch_size: int,
        batches: int,
        start: Callable[[], int],
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Nothing is asked yet."""
        assert 0 <= rank < world_size
        self.batch_size = batch_size
        self.batches = batches
        self.start = start
        self.rank = rank
        self.world_size = world_size

    def __len__(self) -> int:
        """Batches of an epoch, wherever in it the run stands."""
        return self.batches

    def __iter__(self) -> Iterator[list[int]]:
        """As many batches as an epoch has; a run that continues within one leaves the last untouched."""
        first = self.start()
        for batch in range(first, first + self.batches):
            begin = (batch * self.world_size + self.rank) * self.batch_size
            yield list(range(begin, begin + self.batch_size))


class EvenSampler(Sampler[int]):
    """This device's share of whole images, as many on every device.

    Where they do not come out even some images are measured twice; the batch carries the image's index, by
    which a metric leaves the second out.

    Args:
        length: Number of images.
        rank: This device's number.
        world_size: How many devices there are.
    """

    def __init__(self, length: int, *, rank: int = 0, world_size: int = 1) -> None:
        """Remember the share."""
        assert 0 <= rank < world_size
        self.length = length
        self.rank = rank
        self.world_size = world_size

    def __len__(self) -> int:
        """Images of this device."""
        return -(-self.length // self.world_size)

    def __iter__(self) -> Iterator[int]:
        """Every `world_size`-th image, beginning again at the first where the last is passed."""
        return (
            number % self.length for number in range(self.rank, len(self) * self.world_size, self.world_size)
        )
