"""What the adapter has to know of each of spandrel's architectures beside its code."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Architecture = Literal[
    "ATD",
    "CRAFT",
    "DAT",
    "DCTLSA",
    "DITN",
    "DRCT",
    "FDAT",
    "GRL",
    "HAT",
    "MoESR",
    "MoSR",
    "OmniSR",
    "PLKSR",
    "RGT",
    "RealCUGAN",
    "RealPLKSR",
    "SAFMN",
    "SPAN",
    "SeemoRe",
    "SwiftSRGAN",
    "Swin2SR",
    "SwinIR",
]


@dataclass(frozen=True)
class Facts:
    """What is known of an architecture beside its code.

    Attributes:
        scale: Its argument for the scale; None: it has a class for each scale.
        channels: Its arguments for the number of channels; none: it takes RGB only.
        scales: The scales it is defined for.
        multiple: Its attribute that says to what multiple it would pad an image itself.
        minimum: The smallest side of `lq`.
        module: The module of spandrel's, where it is not the architecture's name.
        classes: Its class for a scale, where that is not the architecture's name.
        train_path: Always run as in training: its inference path re-computes weights or takes one image at a
            time, and gives the same.
        unused: Parameters that no output depends on; frozen, so that no optimizer waits for their gradient.
        rgb_option: Its option, on by default, that subtracts a colour and so ties it to RGB.
        withheld: Options with which it would not keep the contract of `SRNet`.
        half_by_autocast: It makes float32 masks on its way, so in half precision it needs autocast.
    """

    scale: str | None
    channels: tuple[str, ...]
    scales: tuple[int, ...] = (2, 3, 4, 8)
    multiple: str | None = None
    minimum: int = 1
    module: str | None = None
    classes: Mapping[int, str] | None = None
    train_path: bool = False
    unused: str | None = None
    rgb_option: str | None = None
    withheld: tuple[str, ...] = ()
    half_by_autocast: bool = False


FACTS: dict[Architecture, Facts] = {
    "ATD": Facts("upscale", ("in_chans",), multiple="window_size", half_by_autocast=True),
    "CRAFT": Facts("upscale", ("in_chans",), minimum=16),
    "DAT": Facts("upscale", ("in_chans",), minimum=16),
    "DCTLSA": Facts("upscale", ("in_nc", "out_nc"), minimum=16),
    "DITN": Facts("upscale", (), multiple="patch_size"),
    "DRCT": Facts("upscale", ("in_chans",), multiple="window_size", half_by_autocast=True),
    "FDAT": Facts(
        "scale",
        ("num_in_ch", "num_out_ch"),
        scales=(2, 3, 4),
        unused=r"\.blocks\.\d*[02468]\.inter\.sg\.|\.blocks\.\d*[13579]\.inter\.cg\.",
        withheld=("group_block_pattern", "unshuffle_mod"),
    ),
    "GRL": Facts(
        "upscale",
        ("in_channels", "out_channels"),
        multiple="pad_size",
        withheld=("stripe_groups",),
        half_by_autocast=True,
    ),
    "HAT": Facts("upscale", ("in_chans",), multiple="window_size"),
    "MoESR": Facts("scale", ("in_ch", "out_ch"), minimum=2),
    "MoSR": Facts("upscale", ("in_ch", "out_ch")),
    "OmniSR": Facts("up_scale", ("num_in_ch", "num_out_ch"), multiple="window_size", minimum=16),
    "PLKSR": Facts("upscaling_factor", ()),
    "RGT": Facts("upscale", ("in_chans",), minimum=16, half_by_autocast=True),
    "RealCUGAN": Facts(
        None,
        ("in_channels", "out_channels"),
        scales=(2, 3, 4),
        minimum=20,
        classes={2: "UpCunet2x", 3: "UpCunet3x", 4: "UpCunet4x"},
    ),
    "RealPLKSR": Facts("upscaling_factor", (), module="PLKSR"),
    "SAFMN": Facts("upscaling_factor", (), minimum=8),
    "SPAN": Facts(
        "upscale",
        ("num_in_ch", "num_out_ch"),
        train_path=True,
        unused=r"\beval_conv\.",
        rgb_option="norm",
    ),
    "SeemoRe": Facts("scale", (), minimum=16, train_path=True),
    "SwiftSRGAN": Facts(
        "upscale_factor",
        ("in_channels",),
        scales=(2, 4, 8),
        classes={2: "SwiftSRGAN", 4: "SwiftSRGAN", 8: "SwiftSRGAN"},
        unused=r"^convblock\.act\.|^residual\.\d+\.block2\.act\.",
    ),
    "Swin2SR": Facts("upscale", ("in_chans",), multiple="window_size", half_by_autocast=True),
    "SwinIR": Facts(
        "upscale", ("in_chans",), multiple="window_size", withheld=("start_unshuffle",), half_by_autocast=True
    ),
}
