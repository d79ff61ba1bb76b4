"""The mean over images, exact however the images are spread over devices.

A published number is the mean of the images' values. The PSNR of torchmetrics pools the squared error of all
images instead, and a distributed sampler repeats images to give every device the same number of them.
"""

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


class PerImage(Metric):
    """Collects one value per image, and returns their mean in float64.

    Images are known by their index in the data set: one that was measured twice counts once. The values are
    added in the order of the index, so that the mean has the same bits on one device and on eight. It is a
    plain mean: one image restored perfectly (PSNR inf) makes it inf, one NaN makes it NaN, because leaving
    them out would silently report the mean of another data set.
    """

    full_state_update = False
    index: list[Tensor]
    values: list[Tensor]

    def __init__(self) -> None:
        """Start without images."""
        super().__init__()
        self.add_state("index", default=[], dist_reduce_fx="cat")
        self.add_state("values", default=[], dist_reduce_fx="cat")

    @property
    def dtype(self) -> torch.dtype:
        """Of both states, and of the empty ones that a rank without an image contributes.

        That is why the index is float64, too (exact up to 2 to the power of 53): torchmetrics makes empty
        states in this one dtype, and tensors of different dtypes cannot be gathered.
        """
        return torch.float64

    def update(self, index: Tensor, values: Tensor) -> None:
        """Add images.

        Args:
            index: (B,) integers, the images' places in the data set.
            values: (B,) what was measured.
        """
        assert index.shape == values.shape
        assert index.dim() == 1
        self.index.append(index.detach().to(self.dtype))
        self.values.append(values.detach().to(self.dtype))

    def compute(self) -> Tensor:
        """Mean over the images, a float64 scalar.

        Raises:
            ValueError: If no image was added on any device.
        """
        index, values = self._ordered()
        if len(index) == 0:
            raise ValueError("no image was measured, so there is no mean; is the data set empty?")
        return values.mean()

    def gathered(self) -> dict[int, float]:
        """Every image's value by its index, from all devices."""
        with self.sync_context(dist_sync_fn=self.dist_sync_fn, should_sync=self._to_sync, should_unsync=True):
            index, values = self._ordered()
        return dict(zip((int(place) for place in index.tolist()), values.tolist(), strict=True))

    def _ordered(self) -> tuple[Tensor, Tensor]:
        """Index and value of each image once, ascending by index."""
        if len(self.index) == 0:
            return torch.empty(0), torch.empty(0)
        index, values = dim_zero_cat(self.index), dim_zero_cat(self.values)
        order = index.argsort(stable=True)
        index, values = index[order], values[order]
        first = torch.ones_like(index, dtype=torch.bool)
        first[1:] = index[1:] != index[:-1]
        return index[first], values[first]
