"""DICOM through pydicom: one grey slice a file, 8 to 16 bit, in the unit that its rescaling says.

Values are slope * stored + intercept: Hounsfield units in a CT. The range that a file states itself is that
of its BitsStored, signed or not, rescaled: 12 bits with an intercept of -1024 are -1024 to 3071. MONOCHROME1,
where low values are white, is inverted on the way to [0, 1] and back. PixelPaddingValue is a hole.

What is written is a derived image: the same patient, study and place, pixels smaller by the scale
(PixelSpacing, and ImagePositionPatient by the half-voxel rule), image and series with identifiers of their
own, which follow from those of the original, the scale and the net. Overlays and thumbnails, which belong to
other pixels, are left out. What the header says of a person stands in the new file, and nowhere else.
"""

import copy
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sr_experiments.imaging import modes
from sr_experiments.imaging.beside import beside
from sr_experiments.imaging.measured import MeasuredFile, Plane, absent, enlarged
from sr_experiments.imaging.span import Span, as_whole

SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
OUTDATED = ("SmallestImagePixelValue", "LargestImagePixelValue", "IconImageSequence", "PixelAspectRatio")
GREY = ("MONOCHROME1", "MONOCHROME2")


def is_dicom(path: Path) -> bool:
    """Whether it has DICOM's preamble."""
    with path.open("rb") as stream:
        stream.seek(128)
        return stream.read(4) == b"DICM"


class Dicom(MeasuredFile):
    """An opened DICOM file.

    Args:
        path: The file.

    Raises:
        ValueError: If it is no grey image of one frame, or pydicom is not installed.
    """

    kind = "a DICOM image"

    def __init__(self, path: Path) -> None:
        """Read the header."""
        self.path = path
        try:
            import pydicom
        except ImportError as error:
            raise absent(path, kind="a DICOM file", package="pydicom", extra="medical") from error
        logging.getLogger("pydicom").setLevel(logging.CRITICAL)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # they quote what a header holds
                self._header = pydicom.dcmread(path, defer_size="1 KB")
                self._check()
        except ValueError:
            raise
        except Exception as error:  # whatever a broken part raises; its words may be the patient's
            raise ValueError(
                f"cannot read the image {path}: its header is broken ({type(error).__name__})"
            ) from error

    def _check(self) -> None:
        """Refuse what is no grey image, and take down what the values mean."""
        header = self._header
        if "PixelData" not in header:
            raise ValueError(
                f"{self.path}: it holds no image of integers; slices are read, not reports or plans"
            )
        colours, samples = header.get("PhotometricInterpretation"), int(header.get("SamplesPerPixel", 1))
        if samples != 1 or colours not in GREY:
            raise ValueError(
                f"{self.path}: its colours are {colours} in {samples} sample(s); grey images (MONOCHROME1, "
                "MONOCHROME2) are read: save colour as PNG"
            )
        frames = int(header.get("NumberOfFrames") or 1)
        if frames != 1:
            raise ValueError(f"{self.path}: it has {frames} frames; files of one slice each are read")
        if "ModalityLUTSequence" in header:
            raise ValueError(
                f"{self.path}: its values come from a table (Modality LUT), which has no inverse"
            )
        self._slope = float(header.get("RescaleSlope", 1) or 0)
        self._intercept = float(header.get("RescaleIntercept", 0) or 0)
        if self._slope == 0 or not np.isfinite([self._slope, self._intercept]).all():
            raise ValueError(f"{self.path}: its rescale slope is {self._slope:g}")
        self.shape = int(header.Rows), int(header.Columns), 1
        modes.check_size(*self.shape[:2])
        bits, signed = int(header.BitsStored), bool(header.PixelRepresentation)
        self._ends = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        if bits > 16:
            raise ValueError(
                f"{self.path}: its values have {bits} bits, such as doses have; up to 16 are read"
            )
        self.span = Span(*sorted(self._slope * end + self._intercept for end in self._ends))
        self.inverted = colours == "MONOCHROME1"
        self.window = _window(header)
        whose = [header.get(key) for key in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")]
        self.belongs = next((str(one) for one in whose if one), str(self.path.parent))

    def _stored(self) -> np.ndarray:
        """(H, W) integers as they stand in the file.

        Raises:
            ValueError: If they cannot be decoded.
        """
        try:
            stored: np.ndarray = self._header.pixel_array
        except Exception as error:  # of a decoder that is missing, or of bytes that are
            reason = str(error).splitlines()[0] if str(error) else repr(error)
            raise ValueError(f"cannot read the image {self.path}: {reason}") from error
        return stored

    def _holes(self, stored: np.ndarray) -> np.ndarray | None:
        """(H, W, 1): where padding stands, which is no value."""
        padding = self._header.get("PixelPaddingValue")
        if padding is None:
            return None
        limit = self._header.get("PixelPaddingRangeLimit")
        low, high = sorted((int(padding), int(padding if limit is None else limit)))
        holes = ((stored >= low) & (stored <= high))[:, :, None]
        return holes if holes.any() else None

    def plane(self, number: int) -> Plane:
        """The slice; see `MeasuredFile`."""
        assert number == 0
        stored = self._stored()
        values = stored.astype(np.float64)[:, :, None] * self._slope + self._intercept
        return Plane(values, self._holes(stored))

    def write(self, path: Path, planes: Iterator[np.ndarray], *, scale: int, name: str) -> None:
        """A derived image; see the module and `MeasuredFile`."""
        if not self._header.original_encoding[1]:
            raise ValueError(
                f"{self.path}: its byte order is big-endian, which DICOM has retired; save it in another "
                "transfer syntax"
            )
        (values,) = planes
        old = self._stored()
        stored = np.clip((values[:, :, 0].astype(np.float64) - self._intercept) / self._slope, *self._ends)
        stored = as_whole(stored, old.dtype)
        holes = self._holes(old)
        if holes is not None:
            stored = np.where(enlarged(holes[:, :, 0], scale), enlarged(old, scale), stored)
        with beside(path) as temporary, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._derived(stored, scale=scale, name=name).save_as(temporary, enforce_file_format=True)

    def _derived(self, stored: np.ndarray, *, scale: int, name: str) -> Any:
        """The header of a derived image, with its pixels."""
        from pydicom.uid import ExplicitVRLittleEndian

        made = copy.deepcopy(self._header)
        _describe(made, scale=scale, name=name)
        bits = int(made.BitsStored)
        del made.PixelData  # of the old size, and perhaps compressed
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        made.set_pixel_data(stored, str(made.PhotometricInterpretation), bits, generate_instance_uid=False)
        made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
        return made


def _window(header: Any) -> tuple[float, float] | None:
    """The first window that a header asks for."""
    center, width = (header.get(key) for key in ("WindowCenter", "WindowWidth"))
    if center is None or width is None:
        return None
    first = [
        float(one[0] if isinstance(one, Sequence) and not isinstance(one, str) else one)
        for one in (center, width)
    ]
    return (first[0], first[1]) if first[1] > 0 else None


def _describe(made: Any, *, scale: int, name: str) -> None:
    """What of a header is another of the enlarged image, in place."""
    from pydicom.dataset import Dataset
    from pydicom.uid import generate_uid
    from pydicom.valuerep import DSfloat

    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = (
        made.SOPClassUID,
        made.SOPInstanceUID,
    )
    made.SourceImageSequence = [reference]
    _move(made, scale)
    for keyword in SPACINGS:
        if made.get(keyword):
            spacing = [DSfloat(float(one) / scale, auto_format=True) for one in made[keyword].value]
            setattr(made, keyword, spacing)
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        if keyword in made:
            setattr(made, keyword, generate_uid(entropy_srcs=[str(made[keyword].value), str(scale), name]))
    kinds = list(made.get("ImageType") or ["", ""])
    made.ImageType = ["DERIVED", "SECONDARY", *kinds[2:]]
    made.DerivationDescription = f"super-resolution x{scale} by {name}: details may be invented"
    made.SeriesDescription = f"{str(made.get('SeriesDescription') or '')[:44]} super-res. x{scale}".strip()
    for keyword in OUTDATED:
        if keyword in made:
            delattr(made, keyword)
    for element in [one for one in made if 0x6000 <= one.tag.group <= 0x60FF]:  # overlays
        del made[element.tag]


def _move(made: Any, scale: int) -> None:
    """ImagePositionPatient is the middle of the first voxel; a smaller one's lies nearer to the corner."""
    from pydicom.valuerep import DSfloat

    keys = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    if not all(made.get(key) for key in keys):
        return
    position, orientation, spacing = (np.array([float(one) for one in made[key].value]) for key in keys)
    along_row, along_column = orientation[:3] * spacing[1], orientation[3:] * spacing[0]
    moved = position + (0.5 / scale - 0.5) * (along_row + along_column)
    made.ImagePositionPatient = [DSfloat(float(one), auto_format=True) for one in moved]
