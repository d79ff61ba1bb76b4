"""Folders of very many files: what is opened at the second start, and that what changed is noticed."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sr_experiments.data import remembered
from sr_experiments.data.headers import inspect
from sr_experiments.data.remembered import Remembered
from sr_experiments.data.sources import Folder, Item, divided
from sr_experiments.data.threads import in_threads, threads
from sr_experiments.imaging.io import image_shape, list_images, read_image
from tests.data.pictures import module, write

COUNT = 12


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files that were opened, by name; twelve are many."""
    names: list[str] = []

    def noted(call: Callable[[Path], Any]) -> Callable[[Path], Any]:
        def noting(path: Path) -> Any:
            names.append(path.name)
            return call(path)

        return noting

    monkeypatch.setattr("sr_experiments.data.sources.image_shape", noted(image_shape))
    monkeypatch.setattr("sr_experiments.data.sources.read_image", noted(read_image))
    monkeypatch.setattr(remembered, "MANY", COUNT)
    return names


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(COUNT):
        write(tmp_path / "photos" / f"{number}.png", 40 + number, 48, channels=1 if number % 2 else 3)
    return tmp_path / "photos"


def look(photos: Path, memory: Path, *, minimum: int = 8) -> tuple[list[tuple[int, int]], list[str]]:
    items = Folder(root=str(photos), scale=2).items()
    return inspect(items, scale=2, minimum=minimum, reason="too small", channels=3, memory=memory)


def test_headers_are_read_once(photos: Path, tmp_path: Path, opened: list[str]) -> None:
    first = look(photos, tmp_path / "memory")
    assert first == ([(40 + number, 48) for number in range(COUNT)], [])
    assert sorted(opened) == sorted(f"{number}.png" for number in range(COUNT))
    opened.clear()
    assert look(photos, tmp_path / "memory") == first
    assert opened == []
    _, problems = look(photos, tmp_path / "memory", minimum=42)
    assert [text.split()[0] for text in problems] == [str(photos / "0.png"), str(photos / "1.png")]


def test_what_is_new_or_changed_is_read_again(photos: Path, tmp_path: Path, opened: list[str]) -> None:
    look(photos, tmp_path / "memory")
    opened.clear()
    write(photos / "3.png", 64, 64)
    write(photos / "12.png", 50, 50)
    state = (photos / "5.png").stat()
    write(photos / "5.png", 90, 48)
    os.utime(photos / "5.png", ns=(state.st_atime_ns, state.st_mtime_ns))  # a copy that keeps its old time
    (photos / "7.png").unlink()
    sizes, problems = look(photos, tmp_path / "memory")
    assert sorted(opened) == ["12.png", "3.png", "5.png"]
    assert problems == []
    assert [sizes[3], sizes[5], sizes[-1]] == [(64, 64), (90, 48), (50, 50)]
    opened.clear()
    look(photos, tmp_path / "memory")
    assert opened == [], "and then it is known"


def test_a_broken_file_is_named_at_every_start(photos: Path, tmp_path: Path, opened: list[str]) -> None:
    (photos / "4.png").write_bytes(b"not an image")
    for _ in range(2):
        opened.clear()
        _, problems = look(photos, tmp_path / "memory")
        assert len(problems) == 1
        assert str(photos / "4.png") in problems[0]
    assert opened == ["4.png"]


def test_a_limit_on_pixels_holds_for_what_is_known(
    photos: Path, tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    look(photos, tmp_path / "memory")
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", None)
    monkeypatch.setenv("SR_MAX_IMAGE_PIXELS", str(48 * 50))
    _, problems = look(photos, tmp_path / "memory")
    assert [text.split(":")[0] for text in problems] == [f"cannot read the image {photos / '11.png'}"]


@pytest.mark.parametrize("content", ["", "{}", '{"format": 0}', '{"format": 1, "paths": [1]}', "[1]"])
def test_a_memory_that_says_nothing_is_no_mistake(
    photos: Path, tmp_path: Path, opened: list[str], content: str
) -> None:
    whole = look(photos, tmp_path / "memory")
    (file,) = (tmp_path / "memory").iterdir()
    file.write_text(content)
    opened.clear()
    assert look(photos, tmp_path / "memory") == whole
    assert len(opened) == COUNT


def test_where_nothing_can_be_kept_files_are_read_again(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    whole = look(photos, tmp_path / "file" / "memory")
    assert look(photos, tmp_path / "file" / "memory") == whole
    assert len(whole[0]) == COUNT


def test_of_few_files_nothing_is_kept(photos: Path, tmp_path: Path) -> None:
    look(photos, tmp_path / "memory")
    assert not (tmp_path / "memory").exists()


def test_a_part_of_a_file_has_a_shape_that_the_file_does_not_tell(
    photos: Path, tmp_path: Path, opened: list[str]
) -> None:
    class Half(Item):
        """As `data=stereo` has them."""

        def shape(self, path: Path) -> tuple[int, int, int]:
            height, width, channels = super().shape(path)
            return height, width // 2, channels

    plain = Folder(root=str(photos), scale=2).items()
    known = Remembered(tmp_path / "memory", plain)
    for item in plain:
        known.shape(item, item.gt)
    known.keep()
    half = Half(name="half", gt=plain[0].gt)
    again = Remembered(tmp_path / "memory", [*plain, half])
    assert again.shape(plain[0], plain[0].gt) == (40, 48, 3)
    assert again.shape(half, half.gt) == (40, 24, 3)


def test_the_second_start_of_a_run_opens_no_image_but_those_held_out(
    photos: Path, tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those are few, and kept in memory."""
    monkeypatch.setattr(remembered, "MANY", 8)
    monkeypatch.setattr("sr_experiments.data.memory.MANY", 8)

    def begin() -> None:
        data = module(root=str(photos), scale=2, cache="auto", cache_dir=str(tmp_path / "cache"), held_out=2)
        data.setup("fit")
        assert len(data.library["train"]) == 10
        next(iter(data.train_dataloader()))

    begin()
    assert set(opened) == {f"{number}.png" for number in range(COUNT)}
    opened.clear()
    begin()
    assert set(opened) == {"10.png", "11.png"}


def test_the_images_are_listed_once_for_both_parts(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[Path] = []

    def noting(folder: Path) -> list[Path]:
        listed.append(folder)
        return list_images(folder)

    monkeypatch.setattr("sr_experiments.data.sources.list_images", noting)
    source = Folder(root=str(photos), scale=2)
    train, val = divided(source, held_out=2)
    assert [item.name for item in val.items()] == ["10", "11"]
    assert len(train.items()) == 10
    assert listed == [photos]


# ---- threads


def test_results_come_in_order_and_few_values_are_taken_ahead() -> None:
    taken = []

    def values() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    results = in_threads(lambda number: 2 * number, values(), together=3)
    assert [next(results) for _ in range(10)] == [2 * number for number in range(10)]
    assert len(taken) <= 10 + 3 * (2 * threads() + 2)
    results.close()
    assert len(taken) < 1000, "what nobody asks for is not begun"
    assert list(in_threads(abs, range(-5, 1), together=4)) == [5, 4, 3, 2, 1, 0]
    assert list(in_threads(abs, [])) == []


def test_what_is_raised_comes_when_its_turn_does() -> None:
    results = in_threads(lambda number: 1 // number, [1, 1, 0, 1])
    assert [next(results), next(results)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
