"""The transforms of blocks of 4 x 4, as products with matrices: (..., 16) in, (..., 16) out.

The inverses are those of RFC 6386, sections 14.3 and 14.4, to the bit. The standard does not say how an
encoder transforms: the forward ones are libwebp's (`src/dsp/enc.c`), with its roundings.
"""

from functools import lru_cache

import torch
from torch import Tensor

from sr_experiments.imaging.onto import onto


@lru_cache(maxsize=8)
def _matrices(device: torch.device) -> dict[str, Tensor]:
    """What the transforms multiply by, float64. Rows are inputs."""
    one = torch.eye(4, dtype=torch.float64)
    # libwebp's: cosines in 512ths, and what it adds before it cuts off.
    first = torch.tensor([[8, 5352 / 512, 8, 2217 / 512], [8, 2217 / 512, -8, -5352 / 512]]).double()
    first = torch.cat((first, first.flip(0) * torch.tensor([1.0, -1.0, 1.0, -1.0])))
    offsets = torch.tensor([7 / 16, 12000 / 65536, 7 / 16, 51000 / 65536]).double()
    # The standard's: the square root of 2 by sine and cosine of pi / 8.
    small, large = 35468 / 65536, 1 + 20091 / 65536
    apart = [[1, 1, 0, 0, 0, 0], [0, 0, small, 0, large, 0], [1, -1, 0, 0, 0, 0], [0, 0, 0, large, 0, small]]
    together = [[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, -1, 0], [0, -1, 1, 0], [1, 0, 0, -1], [1, 0, 0, -1]]
    split, merge = torch.tensor(apart).double(), torch.tensor(together).double()
    hadamard = torch.tensor([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, -1, 1], [1, -1, 1, -1]]).double()
    made = {
        "rows": torch.kron(one, first),
        "columns": torch.kron(first / 128, one),
        "split": torch.kron(split, one),
        "between": torch.kron(merge, one) @ torch.kron(one, split),
        "merge": torch.kron(one, merge),
        "walsh": torch.kron(hadamard, hadamard),
        "row bias": torch.tensor([0, 1812 / 512, 0, 937 / 512] * 4).double(),
        "column bias": offsets.repeat_interleave(4),
    }
    return {name: onto(device, matrix) for name, matrix in made.items()}


def forward(block: Tensor) -> Tensor:
    """libwebp's cosine transform of whole numbers; twice one of length 1."""
    m = _matrices(block.device)
    rows = (block.double() @ m["rows"] + m["row bias"]).floor_()
    result = (rows @ m["columns"] + m["column bias"]).floor_()
    result[..., 4:8] += rows[..., :4] != rows[..., 12:]
    return result


def inverse(coefficients: Tensor) -> Tensor:
    """The standard's inverse (section 14.4), whose products are cut off one by one."""
    m = _matrices(coefficients.device)
    columns = (coefficients @ m["split"]).floor_()
    rows = (columns @ m["between"]).floor_()
    return (rows @ m["merge"] + 4).mul_(1 / 8).floor_()


def walsh(means: Tensor) -> Tensor:
    """libwebp's Walsh-Hadamard transform of the means of 16 blocks."""
    return (means @ _matrices(means.device)["walsh"]).mul_(1 / 2).floor_()


def unwalsh(coefficients: Tensor) -> Tensor:
    """The standard's inverse (section 14.3)."""
    return (coefficients @ _matrices(coefficients.device)["walsh"] + 3).mul_(1 / 8).floor_()
