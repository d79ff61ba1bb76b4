"""Which files hold measured values, by their content."""

from pathlib import Path

from sr_experiments.imaging.dicom import Dicom, is_dicom
from sr_experiments.imaging.geotiff import GeoTiff, is_geotiff
from sr_experiments.imaging.measured import MeasuredFile
from sr_experiments.imaging.nifti import Nifti, is_nifti


def open_measured(path: Path, *, axis: str = "axial") -> MeasuredFile | None:
    """Open a file of measured values by its content; None where it is none, such as a photograph.

    Args:
        path: Any file.
        axis: Which planes of a volume are meant; see `nifti.py`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is one and can not be read, or its reader is not installed.
    """
    if is_dicom(path):
        return Dicom(path)
    if is_nifti(path):
        return Nifti(path, axis=axis)
    if is_geotiff(path):
        return GeoTiff(path)
    return None


def is_measured(path: Path) -> bool:
    """Whether it is one, without opening it: no reader needs to be installed.

    Raises:
        OSError: If there is no such file.
    """
    return is_dicom(path) or is_nifti(path) or is_geotiff(path)
