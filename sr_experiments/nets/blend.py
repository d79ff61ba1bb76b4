"""Network interpolation: weights between those of two nets of one architecture.

ESRGAN, arXiv:1809.00219, section 3.4: between the weights of a net that was trained for PSNR and those of the
same net after adversarial training lie nets that have less noise than the latter and more detail than the
former. It works for weights of which one set was trained from the other, not for two that began apart.
"""

from collections.abc import Mapping

import torch
from torch import Tensor


def blend(
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    *,
    alpha: float,
    names: tuple[str, str] = ("a", "b"),
) -> dict[str, Tensor]:
    """Interpolate every tensor, in float64; each has the dtype that it has in `a`, and a memory of its own.

    Whole numbers, such as the batches that a normalisation has counted, have no values between: they are
    `b`'s. With ``alpha=0`` all is `a`'s, and with ``alpha=1`` all is `b`'s, bit for bit where the dtypes
    are the same.

    Args:
        a: Key -> tensor, of the net that was trained for PSNR.
        b: The same of the net that was then trained against an adversary.
        alpha: The share of `b`, from 0 to 1.
        names: What the two are called in messages.

    Returns:
        Key -> tensor, in the order of `a`.

    Raises:
        ValueError: if alpha lies outside [0, 1], or the keys, shapes or kinds of tensors differ.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(
            f"alpha={alpha}: must be from 0 (all of {names[0]}) to 1 (all of {names[1]}); beyond the two lie "
            "weights that no training has come near"
        )
    _refuse_different(a, b, names)
    return {key: _between(value, b[key], alpha).to(value.dtype) for key, value in a.items()}


def _between(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    if alpha in (0, 1):  # the formula would make +0 of -0
        return (b if alpha else a).detach().clone()
    if not (a.is_floating_point() or a.is_complex()):
        return b.detach().clone()
    wide = torch.promote_types(a.dtype, torch.float64)
    # theta = (1 - alpha) theta_PSNR + alpha theta_GAN  (eq. 4)
    return (1 - alpha) * a.detach().to(wide) + alpha * b.detach().to(wide)


def _refuse_different(a: Mapping[str, Tensor], b: Mapping[str, Tensor], names: tuple[str, str]) -> None:
    problems = [f"{key}: only in {names[0]}" for key in a if key not in b]
    problems += [f"{key}: only in {names[1]}" for key in b if key not in a]
    for key in (key for key in a if key in b):
        if a[key].shape != b[key].shape:
            problems.append(
                f"{key}: {tuple(a[key].shape)} in {names[0]}, {tuple(b[key].shape)} in {names[1]}"
            )
        elif _kind(a[key]) != _kind(b[key]):
            problems.append(f"{key}: {a[key].dtype} in {names[0]}, {b[key].dtype} in {names[1]}")
    if problems:
        more = [f"and {len(problems) - 8} more"] if len(problems) > 8 else []
        lines = "\n  ".join([*problems[:8], *more])
        raise ValueError(
            f"{names[0]} and {names[1]} can not be interpolated: they are weights of different nets\n"
            f"  {lines}"
        )


def _kind(value: Tensor) -> tuple[bool, bool]:
    return value.is_floating_point(), value.is_complex()
