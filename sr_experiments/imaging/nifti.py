"""NIfTI through nibabel: a volume as a stack of grey slices along one direction of the body.

Values are scl_slope * stored + scl_inter. Slices are axial, coronal or sagittal by the file's affine,
whatever the order of its axes, and lie as a radiologist looks at them: the patient's right at the left, the
front or the head up. What is written has the file's order and type again; its voxels are smaller in the plane
of the slices and as thick as before. The affine follows by the half-voxel rule: index i of the new file is
(i + 0.5) / scale - 0.5 of the old one, so that the volume covers the same space. NaN are holes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sr_experiments.imaging import modes
from sr_experiments.imaging.beside import beside
from sr_experiments.imaging.measured import MeasuredFile, Plane, absent, enlarged
from sr_experiments.imaging.span import as_whole

SUFFIXES = (".nii", ".nii.gz")
AXES = {"sagittal": 0, "coronal": 1, "axial": 2}  # of nibabel's RAS+: right, front, up


def is_nifti(path: Path) -> bool:
    """Whether it is called .nii or .nii.gz."""
    return path.name.lower().endswith(SUFFIXES)


class Nifti(MeasuredFile):
    """An opened volume.

    Args:
        path: The file.
        axis: `axial`, `coronal` or `sagittal` slices.

    Raises:
        ValueError: If it is no volume of real numbers, or nibabel is not installed.
    """

    kind = "a NIfTI volume"

    def __init__(self, path: Path, *, axis: str = "axial") -> None:
        """Read the header."""
        self.path = path
        if axis not in AXES:
            raise ValueError(f"axis={axis}: choose one of {', '.join(AXES)}")
        try:
            import nibabel
        except ImportError as error:
            raise absent(path, kind="a NIfTI volume", package="nibabel", extra="medical") from error
        self._nibabel = nibabel
        try:
            self._image: Any = nibabel.Nifti1Image.from_filename(path)
            if self._image.header["sizeof_hdr"] != 348:
                raise ValueError("not NIfTI-1")
        except Exception:  # NIfTI-2, or broken
            try:
                self._image = nibabel.Nifti2Image.from_filename(path)
            except Exception as error:
                raise ValueError(
                    f"cannot read the image {path}: {error}; it is damaged, or no NIfTI"
                ) from error
        self.belongs = next((part for part in path.parts if part.startswith("sub-")), str(path))  # BIDS
        self._check()
        self._lay(AXES[axis])

    def _check(self) -> None:
        shape, kind = self._image.shape, self._image.get_data_dtype()
        self._sides = tuple(shape[:3])
        if len(shape) < 3 or any(side != 1 for side in shape[3:]):
            raise ValueError(
                f"{self.path}: it has {len(shape)} dimensions ({'x'.join(map(str, shape))}); a volume of "
                "three is read: save each as a file of its own (nibabel's four_to_three)"
            )
        if kind.kind not in "uif":
            raise ValueError(f"{self.path}: its values are {kind}; real numbers of one channel are read")
        slope, inter = self._image.dataobj.slope, self._image.dataobj.inter
        if slope == 0 or not np.isfinite([slope, inter]).all():
            raise ValueError(f"{self.path}: its scl_slope is {slope:g}")
        self._slope, self._inter = float(slope), float(inter)

    def _lay(self, through: int) -> None:
        """Which axes of the array are the rows and columns of a slice, and which run backwards."""
        orientation = self._nibabel.io_orientation(self._image.affine)
        if np.isnan(orientation).any():
            raise ValueError(f"{self.path}: its affine has no direction for every axis")
        of_body = [int(one) for one in orientation[:, 0]]
        self._through = of_body.index(through)
        rest = [place for place in range(3) if place != self._through]
        self._transposed = of_body[rest[0]] < of_body[rest[1]]  # the higher one is the rows
        self._reversed = tuple(place for place, axis in enumerate(rest) if orientation[axis, 1] > 0)
        self.planes = self._sides[self._through]
        sides = [self._sides[axis] for axis in rest]
        height, width = sides[::-1] if self._transposed else sides
        self.shape = height, width, 1
        modes.check_size(height, width)

    def _stored(self, number: int) -> np.ndarray:
        """(a, b) values of a slice in the order of the file, float64."""
        index: list[Any] = [slice(None)] * len(self._image.shape)
        index[self._through] = number
        for place in range(3, len(index)):
            index[place] = 0
        try:
            return np.asarray(self._image.dataobj[tuple(index)], dtype=np.float64)
        except Exception as error:  # of gzip, zlib, or bytes that are not there
            raise ValueError(
                f"cannot read the image {self.path}: {error}; it is damaged, fetch it again"
            ) from error

    def plane(self, number: int) -> Plane:
        """One slice as it is looked at; see `MeasuredFile`."""
        values = np.flip(self._stored(number), self._reversed)
        values = np.ascontiguousarray(values.T if self._transposed else values)[:, :, None]
        holes = ~np.isfinite(values)
        return Plane(values, holes if holes.any() else None)

    def write(self, path: Path, planes: Iterator[np.ndarray], *, scale: int, name: str) -> None:
        """A volume with smaller voxels in the planes; see the module and `MeasuredFile`."""
        kind = self._image.get_data_dtype().newbyteorder("=")
        factors = [1 if axis == self._through else scale for axis in range(3)]
        made = np.empty([side * factor for side, factor in zip(self._sides, factors, strict=True)], kind)
        along = np.moveaxis(made, self._through, 0)
        for number, values in enumerate(planes):
            plane = values[:, :, 0].T if self._transposed else values[:, :, 0]
            plane = np.flip(plane, self._reversed)
            if kind.kind == "f":
                old = self._stored(number)
                plane = np.where(enlarged(~np.isfinite(old), scale), enlarged(old, scale), plane)
            along[number] = as_whole((plane.astype(np.float64) - self._inter) / self._slope, kind)
        suffix = ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix
        with beside(path, suffix=suffix) as temporary:
            self._described(made, factors).to_filename(temporary)

    def _described(self, made: np.ndarray, factors: list[int]) -> Any:
        """The image round the new voxels, with the header of the old one."""
        old = self._image.header
        smaller = np.diag([*(1 / factor for factor in factors), 1.0])
        smaller[:3, 3] = [0.5 / factor - 0.5 for factor in factors]
        image = type(self._image)(made, self._image.affine @ smaller, header=old)
        # Each of the two matrices that a file may have moves by itself.
        for get, put in ((old.get_sform, image.set_sform), (old.get_qform, image.set_qform)):
            matrix, code = get(coded=True)
            put(None if matrix is None else matrix @ smaller, int(code))
        sizes = [size / factor for size, factor in zip(old.get_zooms()[:3], factors, strict=True)]
        image.header.set_zooms(sizes)
        image.header.set_data_dtype(made.dtype)
        image.header.set_slope_inter(self._slope, self._inter)
        return image
