"""Image files that are damaged: pixels that agree with the header, or one message that names the file.

Thousands of files are damaged by drawn mutations (`mutate`) and read in another process (`reader`), so that
a crash, a hang or a filled memory is seen. What comes out must be of the shape that the header announces. A
PNG, which has checksums, must give the same pixels or be refused; how often other formats give other pixels
without a word can only be counted, and is printed: pytest -m slow -s tests/fuzz/test_damaged_images.py
"""

import random
import struct
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sr_experiments.imaging import tiff
from sr_experiments.imaging.io import image_shape, image_size, read_image
from tests.data.odd import chunk, exif, png
from tests.fuzz.mutate import KINDS, SIGNATURE, Mutation, drawn, mutated, parts, pixel_data
from tests.fuzz.reader import FAULT, Outcome, judge_image, read_all
from tests.fuzz.seeds import H, W, crop, deep, seeds

MEMORY = 1.5e6  # kilobytes; the largest image that is allowed takes a third of it
Damage = tuple[str, list[Mutation], bytes]


def damaged(root: Path, each: int, *, seed: int) -> dict[str, Damage]:
    """Write `each` damaged files of every kind; file -> whole file, what was done to it, what it is now."""
    whole = seeds()
    for name, content in whole.items():
        (root / name).write_bytes(content)
    written: dict[str, Damage] = {}
    for name, content in whole.items():
        rng = random.Random(f"{seed} {name}")
        for number in range(each):
            mutations = drawn(rng)
            bad = mutated(content, mutations, other=whole[rng.choice(list(whole))])
            written[f"{number:04d} {name}"] = (name, mutations, bad)
            (root / f"{number:04d} {name}").write_bytes(bad)
    return written


def on_purpose(damage: Damage) -> bool:
    """Whether a header has the checksum that is right for it, and is another one: that is another image.

    Somebody set it right, or it was taken whole from another PNG.
    """
    name, mutations, content = damage
    kinds = {mutation.kind for mutation in mutations if mutation.mended or mutation.kind != "change a field"}
    changed = pixel_data(content)[:1] != pixel_data(seeds()[name])[:1]
    return bool(kinds & {"change a field", "swap the header"}) and changed


def unnoticed(outcome: Outcome, damage: Damage) -> bool:
    """Whether a PNG's pixels are others although its checksums are those of what was written."""
    name, _, content = damage
    return (
        outcome.kind == "other"
        and content.startswith(SIGNATURE)
        and name.endswith(".png")
        and pixel_data(content) != pixel_data(seeds()[name])
        and not on_purpose(damage)
    )


def hold(outcomes: Sequence[Outcome], written: dict[str, Damage]) -> None:
    """What must be true of all."""
    tried = [(outcome, *written[outcome.name][:2]) for outcome in outcomes]
    assert not [each for each in tried if each[0].kind == FAULT]
    assert not [each for each in tried if unnoticed(each[0], written[each[0].name])]
    assert not [each for each in tried if each[0].kilobytes > MEMORY]
    assert {"refused", "alike", "other"} >= {outcome.kind for outcome in outcomes}
    assert sum(outcome.kind == "refused" for outcome in outcomes) > len(outcomes) / 2


def table(outcomes: Sequence[Outcome], written: dict[str, Damage]) -> str:
    """A line for each format."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for outcome in outcomes:
        counts[outcome.name.rpartition(".")[2]][outcome.kind] += 1
        content = written[outcome.name][2]
        if outcome.name.endswith("png") and outcome.kind == "other":
            why = "another format by its header"
            if content.startswith(SIGNATURE):
                why = (
                    "another header, its checksum right"
                    if on_purpose(written[outcome.name])
                    else "turned, pixel data as they were"
                )
            counts["png"][f"other: {why}"] += 1
    lines = [f"{suffix}: {dict(count)}" for suffix, count in counts.items()]
    worst, longest = max(o.kilobytes for o in outcomes), max(o.seconds for o in outcomes)
    return "\n".join([*lines, f"largest growth {worst / 1000:.0f} MB, longest {longest:.2f} s"])


def test_the_whole_files_are_read(tmp_path: Path) -> None:
    for name, content in seeds().items():
        (tmp_path / name).write_bytes(content)
        image = read_image(tmp_path / name)
        assert sorted(image.shape[:2]) == [H, W], name
        assert (image.dtype == np.uint16) == ("16" in name or name in ("tiles.tif", "deflate.tif")), name
        assert b"".join(parts(content)) == content, name


def test_some_hundred_damaged_files(tmp_path: Path) -> None:
    written = damaged(tmp_path, 7, seed=0)
    assert len(written) > 300
    hold(read_all(tmp_path, {name: damage[0] for name, damage in written.items()}), written)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_thousands_of_damaged_files(tmp_path: Path, seed: int) -> None:
    written = damaged(tmp_path, 200, seed=seed)
    assert len(written) > 9000
    outcomes = read_all(tmp_path, {name: damage[0] for name, damage in written.items()})
    print(f"\n{len(outcomes)} files\n{table(outcomes, written)}")
    hold(outcomes, written)


SHARES = st.floats(0, 1, exclude_max=True)
MUTATIONS = st.builds(
    Mutation, st.sampled_from(KINDS), SHARES, SHARES, st.integers(0, 2**16 - 1), st.booleans()
)


@pytest.mark.filterwarnings("ignore")
@settings(
    max_examples=200,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    name=st.sampled_from(sorted(seeds())),
    other=st.sampled_from(sorted(seeds())),
    mutations=st.lists(MUTATIONS, min_size=1, max_size=4),
)
def test_the_least_damage_that_is_not_told(
    tmp_path: Path, name: str, other: str, mutations: list[Mutation]
) -> None:
    """In this process, so that hypothesis can leave away all that does not matter before it reports."""
    content = mutated(seeds()[name], mutations, other=seeds()[other])
    whole, bad = tmp_path / name, tmp_path / f"bad {name}"
    whole.write_bytes(seeds()[name])
    bad.write_bytes(content)
    kind, said = judge_image(bad, whole)
    assert kind != FAULT, said
    assert not unnoticed(Outcome(bad.name, kind), (name, mutations, content))


def test_every_bit_of_a_png_counts(tmp_path: Path) -> None:
    whole = png(crop("coffee")[:4, :4], colour=2, before=chunk(b"eXIf", exif(3).tobytes()[6:]))
    (tmp_path / "whole.png").write_bytes(whole)
    for bit in range(8 * len(whole)):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        (tmp_path / "bad.png").write_bytes(content)
        kind, said = judge_image(tmp_path / "bad.png", tmp_path / "whole.png")
        assert kind == "refused", f"{bit}: {kind} {said}"


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", [name for name in seeds() if not name.endswith(".bmp")])
def test_a_file_that_was_cut_anywhere(tmp_path: Path, name: str) -> None:
    """Nothing but the same pixels, where all that was cut off does not matter; mostly a message."""
    whole = seeds()[name]
    (tmp_path / name).write_bytes(whole)
    for length in range(1, len(whole), 29):
        (tmp_path / f"bad {name}").write_bytes(whole[:length])
        kind, said = judge_image(tmp_path / f"bad {name}", tmp_path / name)
        assert kind == "refused" or (kind == "alike" and length > len(whole) / 2), f"{length}: {kind} {said}"


# Headers that announce more than a memory holds.


def giant(name: str, *, side: int = 30000) -> bytes:
    """A small file that announces side x side pixels."""
    content = bytearray(seeds()[name])
    size = struct.pack(">II", side, side)
    if name.endswith(".png"):
        content[16:24] = size
        struct.pack_into(">I", content, 29, zlib.crc32(content[12:29]))
    elif name.endswith(".bmp"):
        struct.pack_into("<ii", content, 18, side, side)
    elif name.endswith(".jpg"):
        start = max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2")) + 5
        struct.pack_into(">HH", content, start, side, side)
    else:
        for tag in (256, 257):
            at = content.index(struct.pack("<H", tag), 8)
            struct.pack_into("<HHII", content, at, tag, 4, 1, side)
    return bytes(content)


GIANTS = (
    "rgb.png",
    "16 rgba.png",
    "rgb.bmp",
    "rgb.jpg",
    "progressive.jpg",
    "rgb.tif",
    "lzw.tif",
    "deflate.tif",
)


@pytest.mark.filterwarnings("error")
def test_headers_that_announce_gigapixels(tmp_path: Path) -> None:
    for name in GIANTS:
        path = tmp_path / name
        path.write_bytes(giant(name))
        for function in (image_size, image_shape, read_image):
            with pytest.raises(ValueError, match=r"900000000 pixels.*SR_MAX_IMAGE_PIXELS") as caught:
                function(path)
            assert str(caught.value).startswith(f"cannot read the image {path}: ")


def test_giants_take_little_memory(tmp_path: Path) -> None:
    """Within the limit as well what is not in the file is not touched; of a JPEG the rest is painted grey."""
    for name in GIANTS:
        (tmp_path / name).write_bytes(giant(name))
        (tmp_path / f"allowed {name}").write_bytes(giant(name, side=4000))
    names = [path.name for path in tmp_path.iterdir()]
    outcomes = read_all(tmp_path, {name: name for name in names})
    assert {outcome.kind for outcome in outcomes} == {"refused"}
    for outcome in outcomes:
        assert outcome.kilobytes < (21 * 4000**2 / 1000 if outcome.name.endswith("jpg") else 50_000), outcome


def test_many_bands_count_as_pixels(tmp_path: Path) -> None:
    path = tmp_path / "bands.tif"
    tifffile.imwrite(
        path, np.zeros((8, 8, 40), np.uint8), metadata=None, photometric="minisblack", planarconfig="contig"
    )
    with tifffile.TiffFile(path, mode="r+b") as file:
        for side in ("ImageLength", "ImageWidth"):
            file.pages.first.tags[side].overwrite(10000)
    with pytest.raises(ValueError, match="1000000000 pixels exceed the limit"):
        image_size(path)


@pytest.mark.parametrize("compression", ["adobe_deflate", "lzma"])
def test_a_strip_that_swells(tmp_path: Path, compression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zeros without end where 1.6 kB are announced: tifffile would unpack them all."""
    monkeypatch.setattr(tiff, "HARMLESS", 2**20)
    path, swollen = tmp_path / "a.tif", tmp_path / "swollen.tif"
    tifffile.imwrite(swollen, np.zeros((4000, 4000), np.uint8), compression=compression, rowsperstrip=4000)
    with tifffile.TiffFile(swollen) as file:
        page = file.pages.first
        start, count = page.dataoffsets[0], page.databytecounts[0]
    strip = swollen.read_bytes()[start : start + count]
    tifffile.imwrite(path, crop("camera")[:, :, 0], metadata=None, compression=compression)
    end = path.stat().st_size
    path.write_bytes(path.read_bytes() + strip)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages.first.tags["StripOffsets"].overwrite(end)
        file.pages.first.tags["StripByteCounts"].overwrite(count)
    with pytest.raises(ValueError, match=rf"more than twice as large as the {H * W} bytes"):
        read_image(path)


@pytest.mark.parametrize("compression", ["adobe_deflate", "lzma"])
def test_a_large_strip_that_does_not_swell(tmp_path: Path, compression: str) -> None:
    """It is looked at, and read."""
    image = np.random.default_rng(0).integers(0, 256, (600, 700), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, compression=compression, rowsperstrip=600)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif")[:, :, 0], image)


def test_a_tile_that_was_cut_to_what_lies_in_the_image(tmp_path: Path) -> None:
    """tifffile takes so many bytes for a tile at the edge, and gave the wrong ones."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, deep(crop("astronaut")), photometric="rgb", tile=(16, 16), metadata=None)
    with tifffile.TiffFile(path) as file:
        last = file.pages.first.dataoffsets[-1]
    path.write_bytes(path.read_bytes()[: last + (H % 16) * (W % 16) * 6])
    with pytest.raises(ValueError, match=r"a\.tif: it is cut short: 1 of its 9 tiles are not all there"):
        read_image(path)


def test_a_palette_behind_the_pixels(tmp_path: Path) -> None:
    index, palette = np.zeros((4, 4, 1), np.uint8), chunk(b"PLTE", bytes(range(6)))
    (tmp_path / "a.png").write_bytes(png(index, colour=3, after=palette))
    with pytest.raises(ValueError, match=r"a\.png: its palette .* is missing before its pixels"):
        read_image(tmp_path / "a.png")


# The user's limit.


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["rgb.png", "rgb.tif", "rgb.jpg", "lossy.webp", "rgb.bmp"])
def test_the_user_sets_the_limit(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", H * W // 3)
    path = tmp_path / name
    path.write_bytes(seeds()[name])
    with pytest.raises(ValueError, match="SR_MAX_IMAGE_PIXELS"):
        read_image(path)
    monkeypatch.setenv("SR_MAX_IMAGE_PIXELS", str(H * W))
    assert read_image(path).shape == (H, W, 3)
    monkeypatch.setenv("SR_MAX_IMAGE_PIXELS", str(H * W - 1))
    with pytest.raises(ValueError, match="SR_MAX_IMAGE_PIXELS"):
        image_shape(path)


@pytest.mark.parametrize("value", ["many", "-1", "0", "1.5", "1e9"])
def test_a_limit_that_is_none(tmp_path: Path, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(seeds()["rgb.png"])
    monkeypatch.setenv("SR_MAX_IMAGE_PIXELS", value)
    with pytest.raises(ValueError, match=rf"a\.png: SR_MAX_IMAGE_PIXELS={value} is no number of pixels"):
        read_image(tmp_path / "a.png")
