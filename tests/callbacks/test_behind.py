"""Pictures that are written behind the test: in order, all there at its end, whole or absent, errors told."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from sr_experiments.callbacks import images as module
from sr_experiments.callbacks.behind import Behind
from sr_experiments.imaging.io import read_image, write_png
from tests.tasks.runs import photographs, run


def test_work_is_done_elsewhere_and_in_order() -> None:
    behind, done, threads = Behind(waiting=2), [], set()

    def work(number: int) -> Callable[[], None]:
        def piece() -> None:
            threads.add(threading.get_ident())
            done.append(number)

        return piece

    for number in range(20):
        behind.do(work(number))
    behind.finish()
    assert done == list(range(20))
    assert len(threads) == 1
    assert threading.get_ident() not in threads
    behind.do(work(20))
    behind.finish()
    assert done[-1] == 20, "it can be used again"


def test_no_more_waits_than_was_said() -> None:
    behind, gate, begun = Behind(waiting=2), threading.Event(), []

    def work(number: int) -> None:
        begun.append(number)
        gate.wait(30)

    for number in range(2):
        behind.do(partial(work, number))
    third = threading.Thread(target=behind.do, args=(partial(work, 2),))
    third.start()
    third.join(0.1)
    assert third.is_alive(), "it waits for the first"
    gate.set()
    third.join(30)
    behind.finish()
    assert begun == [0, 1, 2]


def test_what_goes_wrong_is_told_and_ends_it() -> None:
    behind, done = Behind(), []

    def fails() -> None:
        raise OSError(28, "No space left on device")

    behind.do(fails)
    behind.do(lambda: done.append(1))
    with pytest.raises(OSError, match="No space left"):
        behind.finish()
    behind.finish()
    assert {thread.name for thread in threading.enumerate() if thread.name.startswith("behind")} == set()


def test_given_up_ends_with_what_is_being_done() -> None:
    behind, started, gate, done = Behind(), threading.Event(), threading.Event(), []

    def first() -> None:
        started.set()
        gate.wait(30)
        done.append("first")

    behind.do(first)
    behind.do(lambda: done.append("second"))
    assert started.wait(30)
    threading.Timer(0.05, gate.set).start()
    behind.give_up()
    assert done == ["first"]


def test_the_other_thread_has_one_of_torch_and_this_one_keeps_its_own() -> None:
    before, found = torch.get_num_threads(), []
    behind = Behind()
    behind.do(lambda: found.append(torch.get_num_threads()))
    behind.finish()
    assert found == [1]
    assert torch.get_num_threads() == before


def test_pictures_of_a_run_are_those_drawn_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte for byte, and none is missing when the run ends."""
    root = photographs(tmp_path / "photographs")
    threads = []

    def told(path: Path, image: np.ndarray) -> None:
        threads.append(threading.current_thread().name)
        write_png(path, image)

    monkeypatch.setattr(module, "write_png", told)
    run(root, tmp_path / "behind", "data.held_out=2")
    assert all(name.startswith("behind") for name in threads)
    monkeypatch.setattr(Behind, "do", lambda self, work: work())
    run(root, tmp_path / "at_once", "data.held_out=2")
    files = [
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")}
        for folder in (tmp_path / "behind" / "images", tmp_path / "at_once" / "images")
    ]
    assert len(files[0]) == 4 * len(threads) // 2 > 0
    assert files[0] == files[1]


def test_a_full_disk_ends_the_run_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, image: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(module, "write_png", full)
    with pytest.raises(OSError, match="No space left"):
        run(photographs(tmp_path / "photographs"), tmp_path / "run")
    assert not list((tmp_path / "run" / "images").rglob("*.png"))


def test_files_are_read_again_for_those_who_show_them_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def read(path: Path) -> np.ndarray:
        asked.append(path)
        return read_image(path)

    monkeypatch.setattr(module, "read_image", read)
    root = photographs(tmp_path / "photographs")
    run(root, tmp_path / "plain")
    assert not asked
    run(root, tmp_path / "shown", "logger=tensorboard")
    assert asked
