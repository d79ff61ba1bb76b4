"""The contract of everything that makes a low-quality image from a good one."""

import torch
from torch import Tensor, nn

from sr_experiments.degradations.crops import Crops
from sr_experiments.imaging.ledger import Ledger
from sr_experiments.imaging.random import Draw


class Degradation(nn.Module):
    """Makes `lq` from `gt`. A subclass writes `spoil`.

    Attributes:
        fixed: Whether nothing is random **and** the whole image is wanted, because a crop has borders that
            the whole image has not. A fixed one is applied by the data set, once, to the file's integers;
            low-quality files that come with a data set take its place. Any other is applied to batches of
            crops on their device.
        scale: How many times smaller `lq` is; 1 keeps the size.
        varies: Whether every sample gets a size of its own. A later step has to bring them to one again.
        settles: Whether its result has the size that `scale` says, whatever the sizes were.
    """

    fixed: bool = False
    varies: bool = False
    settles: bool = False

    def __init__(self, *, scale: int = 1) -> None:
        """Remember the scale.

        Raises:
            ValueError: If it is less than 1.
        """
        super().__init__()
        if scale < 1:
            raise ValueError(f"{type(self).__name__}: scale={scale} must be 1 or more")
        self.scale = scale

    def forward(self, gt: Tensor, *, seed: int, positions: Tensor, ledger: Ledger | None = None) -> Tensor:
        """Spoil a batch, in float32 whatever the training's precision, and without gradients.

        Args:
            gt: (B, C, H, W) float32 in [0, 1]; a fixed degradation takes uint8 and uint16 as well and returns
                the same dtype. H and W are multiples of `scale`.
            seed: Of the run.
            positions: (B,) int64, where in the run's stream each sample stands. On the CPU, or it waits for
                the device.
            ledger: Takes down what was decided for each sample, or prescribes it.

        Returns:
            (B, C, H / scale, W / scale). Sample i depends on seed, positions[i] and gt[i] alone.
        """
        assert gt.dim() == 4
        assert gt.dtype == torch.float32 or self.fixed
        with torch.no_grad(), torch.autocast(gt.device.type, enabled=False):
            return self.spoil(Crops.of(gt), Draw(seed, positions.cpu(), ledger=ledger)).tensor()

    def matches_files(self, *, channels: int) -> bool:
        """Whether published low-quality files are what it would make of images of so many channels."""
        return self.fixed

    def reduced(self, image: Tensor) -> tuple[int, int]:
        """(H, W) of the result: whole numbers, which H * (1 / scale) is not for every scale."""
        return image.shape[-2] // self.scale, image.shape[-1] // self.scale

    def spoil(self, crops: Crops, draw: Draw) -> Crops:
        """The work itself.

        Args:
            crops: Images, which may differ in size.
            draw: The random numbers of these samples; on the CPU.
        """
        raise NotImplementedError
