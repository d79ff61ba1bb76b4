"""Phantoms, written with the libraries that the world writes them with."""

import warnings
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import rasterio
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine
from torch import Tensor

from sr_experiments.imaging.resize import imresize

NAME, NUMBER = "Doe^Jane", "PID-4711"
SCENE = Affine(10, 0, 300000, 0, -10, 5000000)


def repeated(scale: int) -> Any:
    """The net that repeats pixels: nothing of the values is changed."""

    def restore(lq: Tensor) -> Tensor:
        return lq.repeat_interleave(scale, -1).repeat_interleave(scale, -2)

    return restore


def smooth(scale: int) -> Any:
    """Bicubic: linear values stay linear, but for the border."""

    def restore(lq: Tensor) -> Tensor:
        return imresize(lq.double(), scale=scale)

    return restore


def phantom(height: int = 24, width: int = 20, *, seed: int = 0) -> np.ndarray:
    """A body of 12-bit numbers in air, (H, W) uint16, all of them used at the ends."""
    rows, columns = np.mgrid[:height, :width]
    body = ((rows / height - 0.5) ** 2 + (columns / width - 0.5) ** 2 < 0.16) * 1000
    noise = np.random.default_rng(seed).integers(0, 900, (height, width))
    image = (body + noise).astype(np.uint16)
    image[0, 0], image[-1, -1] = 0, 4095
    return image


def write_dicom(path: Path, stored: np.ndarray, **tags: Any) -> Path:
    """A CT slice with 12 bits stored in 16, unless `tags` say otherwise."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    header = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    header.SOPClassUID, header.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    header.SeriesInstanceUID, header.StudyInstanceUID = generate_uid(), generate_uid()
    header.PatientName, header.PatientID, header.Modality = NAME, NUMBER, "CT"
    header.InstanceNumber, header.ImageType = 1, ["ORIGINAL", "PRIMARY", "AXIAL"]
    header.Rows, header.Columns = stored.shape[:2]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 12, 11, 0
    header.RescaleSlope, header.RescaleIntercept = "1", "-1024"
    header.WindowCenter, header.WindowWidth = ["40", "600"], ["400", "1500"]
    header.PixelSpacing, header.SliceThickness = ["0.5", "0.7"], "5"
    header.ImagePositionPatient = ["-10", "20", "-30"]
    header.ImageOrientationPatient = ["0.8", "0.6", "0", "0", "0", "-1"]
    header.PixelData = stored.tobytes()
    for keyword, value in tags.items():
        if value is None:
            delattr(header, keyword)
        else:
            setattr(header, keyword, value)
    header.save_as(path, enforce_file_format=True)
    return path


def header_of(path: Path) -> Any:
    return pydicom.dcmread(path)


def write_nifti(path: Path, values: np.ndarray, affine: np.ndarray, **scaling: float) -> Path:
    """A volume of raw numbers, with slope and inter where they are given."""
    image = nibabel.Nifti1Image(values, affine)
    image.header["descrip"] = NAME.encode()
    if scaling:
        image.header.set_slope_inter(scaling["slope"], scaling["inter"])
    image.to_filename(path)
    return path


def write_geotiff(path: Path, bands: np.ndarray, **options: Any) -> Path:
    """(C, H, W) in UTM with pixels of 10 m, unless `options` say otherwise."""
    profile = {"driver": "GTiff", "count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
    profile |= {"dtype": bands.dtype, "crs": "EPSG:32633", "transform": SCENE} | options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        rpcs = profile.pop("rpcs", None)
        with rasterio.open(path, "w", **profile) as made:
            made.write(bands)
            if rpcs is not None:
                made.rpcs = rpcs
    return path


def scene(bands: int = 4, height: int = 24, width: int = 20, *, seed: int = 0) -> np.ndarray:
    """Reflectances times 10000, (C, H, W) uint16, nowhere 0."""
    noise = np.random.default_rng(seed).integers(1, 3000, (bands, height, width))
    return (noise + 500 * np.arange(bands)[:, None, None]).astype(np.uint16)
