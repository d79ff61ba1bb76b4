"""NIfTI volumes: slices as they are looked at, and a volume in the same place; by nibabel itself."""

import itertools
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from nibabel.affines import apply_affine
from nibabel.testing import data_path

from sr_experiments.imaging.fields import open_measured
from sr_experiments.imaging.measured import upscale_measured
from sr_experiments.imaging.nifti import Nifti
from sr_experiments.imaging.span import Span
from tests.imaging.measured_files import repeated, smooth, write_nifti

SIZES = (10, 12, 7)
CT = Span(-1024, 3071)
AFFINE = np.array([[0.7, 0, 0, -3], [0, 0.8, 0, 4], [0, 0, 5.0, -9], [0, 0, 0, 1]])


def hounsfield(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1024, 3072, SIZES).astype(np.int16)


def made(path: Path, *, axis: str = "axial", scale: int = 2, span: Span = CT, restore: Any = None) -> Any:
    file = open_measured(path, axis=axis)
    assert isinstance(file, Nifti)
    target = path.with_name(f"made-{path.name}")
    upscale_measured(file, target, restore or repeated(scale), span=span, scale=scale, name="net")
    return nibabel.load(target)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1), (1, -1, 1)])
def test_slices_lie_as_they_are_looked_at(tmp_path: Path, order: Any, signs: Any) -> None:
    """By nibabel's own reorientation to RAS+, whatever the order and direction of the axes."""
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, list(order)] * signs
    path = write_nifti(tmp_path / "a.nii", hounsfield(), affine)
    body = np.asarray(nibabel.as_closest_canonical(nibabel.load(path)).dataobj)[::-1, ::-1, ::-1]
    expected = {"axial": body.transpose(2, 1, 0), "coronal": body.transpose(1, 2, 0)}
    expected["sagittal"] = body.transpose(0, 2, 1)
    for axis, slices in expected.items():
        file = open_measured(path, axis=axis)
        assert file is not None
        found = np.stack([file.plane(number).values[:, :, 0] for number in range(file.planes)])
        assert file.shape == (*slices.shape[1:], 1)
        assert found.tolist() in (slices.tolist(), slices[::-1].tolist()), "slices in the order of the file"


@pytest.mark.parametrize("axis", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_every_number_comes_back(tmp_path: Path, axis: str, name: str) -> None:
    path = write_nifti(tmp_path / name, hounsfield(), AFFINE)
    new = made(path, axis=axis, scale=3)
    factors = [1 if one == {"sagittal": 0, "coronal": 1, "axial": 2}[axis] else 3 for one in range(3)]
    expected = hounsfield()
    for place, factor in enumerate(factors):
        expected = expected.repeat(factor, place)
    assert new.get_data_dtype() == np.int16
    assert np.array_equal(np.asarray(new.dataobj), expected)
    assert new.header.get_zooms() == pytest.approx(
        [s / f for s, f in zip((0.7, 0.8, 5), factors, strict=True)]
    )


@pytest.mark.parametrize("axis", ["axial", "sagittal"])
@pytest.mark.parametrize("scale", [2, 3])
def test_a_linear_body_stays_where_it_is(tmp_path: Path, axis: str, scale: int) -> None:
    """Values that grow with the world's coordinates are found at the same coordinates."""
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn @ np.diag([0.7, 0.9, 3.0]), [5, -7, 11]
    sizes = (16, 18, 14)

    def truth(affine: np.ndarray, sizes: Any) -> np.ndarray:
        places = apply_affine(affine, np.moveaxis(np.indices(sizes), 0, -1))
        return places @ np.array([13.0, -9.0, 4.0])

    path = write_nifti(tmp_path / "a.nii.gz", truth(affine, sizes).astype(np.float32), affine)
    new = made(path, axis=axis, scale=scale, restore=smooth(scale))
    inside = tuple(
        slice(None) if factor == side else slice(12, -12)
        for factor, side in zip(new.shape, sizes, strict=True)
    )
    found = np.asarray(new.dataobj)
    assert np.abs(found - truth(new.affine, new.shape))[inside].max() < 0.1  # 4095 / 65535 and float32
    assert new.get_qform() == pytest.approx(new.get_sform(), abs=1e-5)


def test_scaling_and_the_header_are_kept(tmp_path: Path) -> None:
    stored = np.random.default_rng(0).integers(0, 4096, SIZES).astype(np.uint16)
    path = write_nifti(tmp_path / "a.nii", stored, AFFINE, slope=0.5, inter=-300)
    old = nibabel.load(path)
    old.header["xyzt_units"] = 2
    new = made(path, span=Span(-300, 1747.5))
    assert (new.dataobj.slope, new.dataobj.inter) == (0.5, -300)
    assert np.array_equal(np.asarray(new.dataobj), np.asarray(old.dataobj).repeat(2, 0).repeat(2, 1))
    assert new.get_data_dtype() == np.uint16
    assert new.header["descrip"] == nibabel.load(path).header["descrip"]


def test_both_matrices_move_each_by_itself(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", hounsfield(), AFFINE)
    image = nibabel.load(path)
    other = AFFINE.copy()
    other[:3, 3] += 100
    image.set_qform(other, 1)
    image.set_sform(AFFINE, 2)
    image.to_filename(path)
    new = made(path)
    (sform, scode), (qform, qcode) = new.get_sform(coded=True), new.get_qform(coded=True)
    assert (scode, qcode) == (2, 1)
    assert qform[:3, 3] - sform[:3, 3] == pytest.approx([100, 100, 100], abs=1e-4)
    for matrix, before in ((sform, AFFINE), (qform, other)):
        corner = apply_affine(matrix, [-0.5, -0.5, 0])
        assert corner == pytest.approx(apply_affine(before, [-0.5, -0.5, 0]), abs=1e-4)


def test_nan_is_a_hole(tmp_path: Path) -> None:
    values = hounsfield().astype(np.float32)
    values[2:5, 3:6] = np.nan
    new = np.asarray(made(write_nifti(tmp_path / "a.nii", values, AFFINE), restore=smooth(2)).dataobj)
    assert np.array_equal(np.isnan(new), np.isnan(values).repeat(2, 0).repeat(2, 1))


def test_real_files_of_nibabels(tmp_path: Path) -> None:
    path = tmp_path / "anatomical.nii"
    path.write_bytes((Path(data_path) / "anatomical.nii").read_bytes())
    old = nibabel.load(path)
    values = np.asarray(old.dataobj)
    new = made(path, span=Span(-32768, 32767))
    assert new.get_data_dtype() == old.get_data_dtype()
    assert np.abs(np.asarray(new.dataobj) - values.repeat(2, 0).repeat(2, 1)).max() < 1e-6
    path = tmp_path / "two.nii.gz"
    path.write_bytes((Path(data_path) / "example_nifti2.nii.gz").read_bytes())
    with pytest.raises(
        ValueError, match=r"two.nii.gz: it has 4 dimensions \(32x20x12x2\); a volume of three is"
    ):
        open_measured(path)


def test_what_is_no_volume_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_nifti(tmp_path / "c.nii", hounsfield().astype(np.complex64), AFFINE)
    with pytest.raises(ValueError, match="its values are complex64; real numbers of one channel are read"):
        open_measured(path)
    whole = write_nifti(tmp_path / "a.nii.gz", hounsfield(), AFFINE)
    with pytest.raises(ValueError, match="axis=top: choose one of sagittal, coronal, axial"):
        open_measured(whole, axis="top")
    file = open_measured(whole)
    assert file is not None
    with pytest.raises(
        ValueError, match=r"a.nii.gz: a NIfTI volume of values whose range nothing states: say"
    ):
        file.chosen_span(None)
    for keep in (200, whole.stat().st_size - 400):
        cut = tmp_path / "cut.nii.gz"
        cut.write_bytes(whole.read_bytes()[:keep])
        with pytest.raises(ValueError, match=r"cannot read the image .*cut.nii.gz: .* it is damaged"):
            made(cut)
    assert not list(tmp_path.glob("made*"))
    monkeypatch.setitem(sys.modules, "nibabel", None)
    said = (
        r"a.nii.gz is a NIfTI volume, which takes the package nibabel: pip install .sr-experiments\[medical\]"
    )
    with pytest.raises(ValueError, match=said):
        open_measured(whole)
