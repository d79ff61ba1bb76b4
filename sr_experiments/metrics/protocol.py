"""The protocol behind the names `psnr_y`, `ssim_y`, `psnr_rgb` and `ssim_rgb`.

Restored and true image are taken as the 8-bit images that files would hold; `scale` pixels are left out on
every side; luma is BT.601 in its limited range, computed from the 8-bit RGB and **not** rounded. This is what
the published numbers of networks that see RGB are measured by (Set5 x4, bicubic from the LR file: 28.4318 dB,
.81126). Grey images are measured as they are: making RGB of them first would change their range, and add
.09 dB to the mean of Set14.
"""

from torch import Tensor

from sr_experiments.imaging.colour import rgb_to_y, to_levels
from sr_experiments.metrics.border import check_shapes
from sr_experiments.metrics.psnr import psnr
from sr_experiments.metrics.ssim import ssim


def image_metrics(sr: Tensor, gt: Tensor, *, scale: int) -> dict[str, Tensor]:
    """Measure restored images.

    Args:
        sr: (B, C, H, W), white is 1; clamped and rounded to 8 bit here.
        gt: The same shape; rounded to 8 bit as well, which changes 16-bit images only.
        scale: Pixels left out on every side.

    Returns:
        float64 (B,) each. RGB: `psnr_y`, `ssim_y`, `psnr_rgb`, `ssim_rgb`. Grey: `psnr_y`, `ssim_y`. Any
        other number of channels: `psnr_bands`, `ssim_bands` over all of them.

    Raises:
        ValueError: If the shapes differ, or the images are too small for the border and the 11x11 window.
    """
    check_shapes(sr, gt)
    sr, gt = to_levels(sr) / 255.0, to_levels(gt) / 255.0
    match sr.shape[1]:
        case 1:
            measured = {"y": (sr, gt)}
        case 3:
            measured = {"y": (rgb_to_y(sr), rgb_to_y(gt)), "rgb": (sr, gt)}
        case _:
            measured = {"bands": (sr, gt)}
    results: dict[str, Tensor] = {}
    for name, (x, y) in measured.items():
        results[f"psnr_{name}"] = psnr(x, y, border=scale)
        results[f"ssim_{name}"] = ssim(x, y, border=scale)
    return results
