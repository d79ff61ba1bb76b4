"""DICOM slices: what the stored numbers mean, and a derived image in the same place; by pydicom itself."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_rescale

from sr_experiments.imaging.dicom import Dicom
from sr_experiments.imaging.fields import open_measured
from sr_experiments.imaging.measured import upscale_measured
from sr_experiments.imaging.span import Span
from tests.imaging.measured_files import NAME, NUMBER, header_of, phantom, repeated, smooth, write_dicom


def opened(path: Path) -> Dicom:
    file = open_measured(path)
    assert isinstance(file, Dicom)
    return file


def made(path: Path, *, scale: int = 2, span: Span | None = None, restore: Any = None) -> Path:
    target = path.with_name(f"made-{path.name}")
    file = opened(path)
    upscale_measured(
        file, target, restore or repeated(scale), span=file.chosen_span(span), scale=scale, name="net"
    )
    return target


@pytest.mark.parametrize(
    ("bits", "signed", "slope", "intercept", "span"),
    [
        (12, 0, "1", "-1024", (-1024, 3071)),
        (16, 1, "1", "0", (-32768, 32767)),
        (12, 1, "1", "-1024", (-3072, 1023)),
        (10, 0, "2.5", "7", (7, 2564.5)),
        (12, 0, "-1", "0", (-4095, 0)),
        (16, 0, "1", None, (0, 65535)),
    ],
)
def test_the_range_is_that_of_the_bits_and_all_comes_back(
    tmp_path: Path, bits: int, signed: int, slope: str, intercept: str | None, span: tuple[float, float]
) -> None:
    ends = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
    stored = (
        np.random.default_rng(0)
        .integers(ends[0], ends[1], (24, 20))
        .astype(np.int16 if signed else np.uint16)
    )
    stored[0, 0], stored[0, 1] = ends[0], ends[1] - 1
    tags = {"BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": signed}
    rescale = {"RescaleSlope": slope, "RescaleIntercept": intercept}
    path = write_dicom(tmp_path / "a.dcm", stored, **tags, **rescale)
    file = opened(path)
    assert file.span == Span(*span)
    assert file.shape == (24, 20, 1)
    header = header_of(path)
    if intercept is not None:
        assert np.array_equal(file.plane(0).values[:, :, 0], apply_rescale(header.pixel_array, header))
    new = header_of(made(path))
    assert np.array_equal(new.pixel_array, stored.repeat(2, 0).repeat(2, 1)), "every number, to the last"
    assert (new.BitsStored, new.PixelRepresentation) == (bits, signed)


def test_monochrome1_is_seen_as_it_is_meant_and_written_as_it_was(tmp_path: Path) -> None:
    stored = phantom()
    path = write_dicom(tmp_path / "a.dcm", stored, PhotometricInterpretation="MONOCHROME1")
    plain = opened(write_dicom(tmp_path / "b.dcm", stored))
    file, span = opened(path), Span(-1024, 3071)
    assert file.inverted
    assert np.allclose(file.unit(0, span), 1 - plain.unit(0, span), atol=1e-6)
    assert np.array_equal(file.levels(0, span), 65535 - plain.levels(0, span))
    new = header_of(made(path))
    assert new.PhotometricInterpretation == "MONOCHROME1"
    assert np.array_equal(new.pixel_array, stored.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("scale", [2, 3])
def test_the_derived_image_covers_the_same_place(tmp_path: Path, scale: int) -> None:
    """Corners by PS3.3 C.7.6.2.1.1: position of an index, and half a pixel beyond the outermost ones."""
    path = write_dicom(tmp_path / "a.dcm", phantom())
    old, new = header_of(path), header_of(made(path, scale=scale))

    def place(header: Any, row: float, column: float) -> np.ndarray:
        origin, axes, spacing = (
            np.array([float(one) for one in header[key].value])
            for key in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
        )
        return origin + axes[:3] * spacing[1] * column + axes[3:] * spacing[0] * row

    for row, column in ((0, 0), (0, 20), (24, 0), (24, 20), (11, 4)):
        before = place(old, row - 0.5, column - 0.5)
        assert np.allclose(place(new, row * scale - 0.5, column * scale - 0.5), before, atol=1e-6)
    assert (new.Rows, new.Columns) == (24 * scale, 20 * scale)
    assert new.SliceThickness == old.SliceThickness
    assert new.pixel_array.shape == (24 * scale, 20 * scale)


def test_a_derived_image_says_that_it_is_one(tmp_path: Path) -> None:
    stored = phantom()
    path = write_dicom(tmp_path / "a.dcm", stored)
    header = header_of(path)
    header.add_new("SmallestImagePixelValue", "US", 0)
    header.add_new(0x60000010, "US", 24)
    header.save_as(path)
    old, new = header_of(path), header_of(made(path))
    assert list(new.ImageType) == ["DERIVED", "SECONDARY", "AXIAL"]
    assert new.SOPInstanceUID not in ("", old.SOPInstanceUID)
    assert new.file_meta.MediaStorageSOPInstanceUID == new.SOPInstanceUID
    assert new.SeriesInstanceUID != old.SeriesInstanceUID
    assert new.StudyInstanceUID == old.StudyInstanceUID
    assert new.SourceImageSequence[0].ReferencedSOPInstanceUID == old.SOPInstanceUID
    assert new.DerivationDescription == "super-resolution x2 by net: details may be invented"
    assert (str(new.PatientName), new.PatientID) == (NAME, NUMBER), "of the same patient"
    assert "SmallestImagePixelValue" not in new
    assert 0x60000010 not in new, "an overlay belongs to other pixels"
    again = header_of(made(path))
    assert again.SOPInstanceUID == new.SOPInstanceUID, "the same result has the same name"


def test_more_than_16_bits_are_refused(tmp_path: Path) -> None:
    """Levels of 16 bit would leave little of a dose or a count."""
    stored = phantom().astype(np.uint32)
    path = write_dicom(tmp_path / "a.dcm", stored, BitsAllocated=32, BitsStored=32, HighBit=31)
    with pytest.raises(
        ValueError, match=r"a.dcm: its values have 32 bits, such as doses have; up to 16 are re"
    ):
        opened(path)


def test_padding_is_a_hole(tmp_path: Path) -> None:
    stored = phantom().astype(np.int16)
    stored[:6, :6] = -2000
    path = write_dicom(tmp_path / "a.dcm", stored, PixelRepresentation=1, BitsStored=16, HighBit=15)
    header = header_of(path)
    header.add_new("PixelPaddingValue", "SS", -2000)
    header.save_as(path)
    file = opened(path)
    assert file.plane(0).filled().min() >= -1024
    new = header_of(made(path, span=Span(-1024, 3071), restore=smooth(2))).pixel_array
    hole = np.zeros((48, 40), bool)
    hole[:12, :12] = True
    assert ((new == -2000) == hole).all()


def test_values_outside_the_range_are_cut_off_and_counted(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", phantom())
    file = opened(path)
    assert file.window == (40, 400)
    window = Span.of_window([40, 400], option="window")
    values = file.plane(0).values
    share = upscale_measured(file, tmp_path / "made.dcm", repeated(2), span=window, scale=2, name="net")
    assert share == np.mean((values < -160) | (values > 240)) > 0.5
    new = header_of(tmp_path / "made.dcm")
    assert np.array_equal(
        new.pixel_array - 1024.0, np.clip(values[:, :, 0], -160, 240).repeat(2, 0).repeat(2, 1)
    )


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small.dcm", "MR_small_implicit.dcm", "MR_small_RLE.dcm"]
)
def test_real_scanners_files(tmp_path: Path, name: str) -> None:
    """From pydicom's wheel: a CT and an MR of real scanners, in three transfer syntaxes; nothing is lost."""
    path = Path(pydicom.data.get_testdata_file(name, download=False))
    target = tmp_path / "made.dcm"
    file = opened(path)
    assert file.span is not None
    assert upscale_measured(file, target, repeated(2), span=file.span, scale=2, name="net") == 0.0
    old, new = header_of(path), header_of(target)
    assert np.array_equal(new.pixel_array, old.pixel_array.repeat(2, 0).repeat(2, 1))
    assert [float(one) * 2 for one in new.PixelSpacing] == pytest.approx(
        [float(one) for one in old.PixelSpacing]
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("examples_rgb_color.dcm", r"its colours are RGB in 3 sample\(s\); grey images \(MONOCHROME1, MONO"),
        ("examples_palette.dcm", r"its colours are PALETTE COLOR in 1 sample\(s\); grey"),
        ("rtdose.dcm", "it has 15 frames; files of one slice each are read"),
        ("rtplan.dcm", "it holds no image of integers; slices are read, not reports or plans"),
    ],
)
def test_what_is_no_grey_slice_is_refused(name: str, said: str) -> None:
    path = Path(pydicom.data.get_testdata_file(name, download=False))
    with pytest.raises(ValueError, match=said):
        opened(path)


def test_a_retired_byte_order_is_read_and_not_written(tmp_path: Path) -> None:
    files = [
        Path(pydicom.data.get_testdata_file(f"MR_small{name}.dcm", download=False))
        for name in ("", "_bigendian")
    ]
    little, big = (opened(path) for path in files)
    assert np.array_equal(big.plane(0).values, little.plane(0).values)
    with pytest.raises(ValueError, match="its byte order is big-endian, which DICOM has retired; save it in"):
        upscale_measured(big, tmp_path / "a.dcm", repeated(2), span=Span(0, 4095), scale=2, name="net")
    assert list(tmp_path.iterdir()) == []


def test_damage_and_absence_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = write_dicom(tmp_path / "a.dcm", phantom())
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(whole.read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"cannot read the image .*cut.dcm: "):
        opened(cut).plane(0)
    cut.write_bytes(whole.read_bytes()[:150])
    with pytest.raises(ValueError, match=r"cut.dcm: "):
        opened(cut)
    table = write_dicom(tmp_path / "zero.dcm", phantom(), RescaleSlope="0")
    with pytest.raises(ValueError, match="its rescale slope is 0"):
        opened(table)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    said = r"a.dcm is a DICOM file, which takes the package pydicom: pip install .sr-experiments\[medical\]"
    with pytest.raises(ValueError, match=said):
        opened(whole)
