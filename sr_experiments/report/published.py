"""What papers report, as data: ``published.csv`` beside this file.

Every row names the protocol by which it was measured and its source. A number of another protocol is not
compared with: Set5's bicubic x2 is 33.66 dB by one and 33.68 dB by the other, and both are right.
"""

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True)
class Published:
    """One published result.

    Attributes:
        psnr_y: In dB.
        ssim_y: Where the source has it.
        source: Whose table it is.
    """

    psnr_y: float
    ssim_y: float | None
    source: str


@lru_cache(maxsize=1)
def table() -> dict[tuple[str, str, int, str], Published]:
    """(model, benchmark, scale, protocol) -> result."""
    with Path(__file__).with_name("published.csv").open(newline="", encoding="utf-8") as file:
        return {
            (row["model"], row["benchmark"], int(row["scale"]), row["protocol"]): Published(
                psnr_y=float(row["psnr_y"]),
                ssim_y=float(row["ssim_y"]) if row["ssim_y"] else None,
                source=row["source"],
            )
            for row in csv.DictReader(file)
        }


def models() -> list[str]:
    """The models of which anything is published here."""
    return list(dict.fromkeys(model for model, *_ in table()))
