"""Every mistake gets its message: what is typed, the exit code, and all that is said, held to the letter."""

import errno
import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from torch import Tensor

from sr_experiments import devices
from sr_experiments.mistakes import user_message
from sr_experiments.mistyped import in_quotes
from sr_experiments.nets.espcn import ESPCN
from tests.mistakes import checkpoints, configs, guides, images, network, outputs, training, upscaling, words
from tests.mistakes.desk import EVALUATE, PREPARE, TRAIN, Mistake, lay, make, pictures, sit
from tests.prepare.archives import served_from
from tests.prepare.server import serving
from tests.typed import typed_line

TABLES: dict[str, dict[str, Mistake]] = {
    "words": words.WORDS,
    "sweeps": words.SWEEPS,
    "yaml": configs.FILES_OF_CONFIGS,
    "paths": configs.PATHS,
    "values": training.VALUES,
    "devices": training.DEVICES,
    "images": images.IMAGES,
    "shards": images.SETS_IN_SHARDS,
    "guides": guides.GUIDES,
    "checkpoints": checkpoints.CHECKPOINTS,
    "outputs": outputs.OUTPUTS,
    "upscaling": upscaling.UPSCALING,
    "network": network.NETWORK,
}
EVERY = {f"{kind}: {name}": one for kind, table in TABLES.items() for name, one in table.items()}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay(tmp_path_factory.mktemp("base"))


@pytest.fixture
def desk(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_logs: None) -> Path:
    sit(base, tmp_path, monkeypatch)
    return tmp_path


def held(told: str, said: str) -> None:
    """The whole of what was said, but for what differs between machines."""
    pattern = re.escape(f"error: {told}").replace("…", ".*")
    assert re.fullmatch(pattern, said.strip(), re.DOTALL), f"expected\n{told}\nbut it said\n{said}"


@pytest.mark.parametrize("name", EVERY)
def test_a_mistake_gets_its_message(
    name: str, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mistake = EVERY[name]
    if mistake.without_gpu and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    code = make(mistake, desk, monkeypatch)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert code == (2 if mistake.told else 0), said
    if mistake.told:
        held(mistake.told, said)
    else:
        assert "error" not in said
    assert not (desk / "malice").exists(), "nothing in a file is ever run"


def test_there_are_enough_of_them() -> None:
    """Over every task, and no message twice by accident."""
    wrong = [mistake for mistake in EVERY.values() if mistake.told]
    assert len(wrong) >= 180
    assert len({mistake.told for mistake in wrong}) >= 150
    for task in ("export", "evaluate", "prepare", "degrade", "upscale"):
        assert sum(f"task={task}" in mistake.typed for mistake in wrong) >= 8


@pytest.mark.parametrize(
    "value", ["a=b", "it's", 'say "x"', "back\\slash\\", "\\'", "$HOME `x`", "ä [1] {2}", "a,b"]
)
def test_what_is_said_about_quotes_is_right(value: str) -> None:
    """Typed as it is told, the value arrives."""
    (argument,) = shlex.split(in_quotes("data.root", value))
    (override,) = OverridesParser.create().parse_overrides([argument])
    assert override.value() == value


# ---- memory

GPU_WORDS = "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 15.78 GiB of which"


def _of_a_gpu(self: ESPCN, lq: Tensor) -> Tensor:
    raise torch.OutOfMemoryError(GPU_WORDS)


def _of_the_machine(self: ESPCN, lq: Tensor) -> Tensor:
    return torch.empty(10**15)


@pytest.mark.parametrize(
    ("forward", "size"), [(_of_a_gpu, "2.50 GiB"), (_of_the_machine, "4000000000000000 bytes")]
)
def test_out_of_memory_names_what_to_lower(
    forward: Any,
    size: str,
    desk: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(ESPCN, "forward", forward)
    assert typed_line(monkeypatch, f"{TRAIN} hydra.run.dir=r") == 2
    held(
        f"out of memory ({size} more were wanted). Lower data.batch_size (trainer.accumulate_grad_batches "
        "makes up for it) or data.patch_size, choose precision=bf16-mixed or a smaller net; for whole images "
        "tile=256 with task=evaluate; for decoded images data.cache=disk or none, and data.workers=0",
        capsys.readouterr().err,
    )
    assert json.loads((desk / "r" / "run.json").read_text(encoding="utf-8"))["status"] == "failed"


def test_validation_falls_back_to_tiles_and_the_record_says_so(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures("large", 6, (320, 300))(desk)
    whole = ESPCN.forward

    def forward(self: ESPCN, lq: Tensor) -> Tensor:
        if lq.shape[-2] * lq.shape[-1] > 130 * 130:
            raise torch.OutOfMemoryError(GPU_WORDS)
        return whole(self, lq)

    monkeypatch.setattr(ESPCN, "forward", forward)
    note = (
        "memory ran out on an image of 150x160 pixels of lq (cpu): from there on images were restored in "
        "tiles of 128 pixels with an overlap of 32"
    )
    for name, line in {"trained": TRAIN, "evaluated": f"{EVALUATE} checkpoint=run"}.items():
        assert typed_line(monkeypatch, f"{line} data.root=large hydra.run.dir={name}") == 0
        notes = json.loads((desk / name / "run.json").read_text(encoding="utf-8"))["notes"]
        assert [one for one in notes if one.startswith(note)], notes
    monkeypatch.setattr(ESPCN, "forward", _of_a_gpu)
    assert typed_line(monkeypatch, f"{EVALUATE} checkpoint=run data.root=large") == 2
    assert "out of memory: an image of 150x160 pixels of lq does not go through" in capsys.readouterr().err


def test_a_worker_that_the_system_ended() -> None:
    message = user_message(RuntimeError("DataLoader worker (pid(s) 4711) exited unexpectedly"))
    assert message is not None
    assert message.startswith("a process that reads images was ended by the system")


# ---- disk


TOO_LARGE = "File too large; a file may not become that large here (ulimit -f, or the file system): "
DISK = "hydra.run.dir=FOLDER, data_dir=FOLDER and data.cache_dir=FOLDER name other places"


@pytest.mark.parametrize(
    ("room", "line"),
    [
        (0, "task=export checkpoint=run output=out.pth"),
        (2000, "task=export checkpoint=run output=out.pth"),
        (20000, TRAIN),
        (9000, f"{TRAIN} data.cache=disk"),
    ],
)
def test_a_file_that_can_not_grow(
    room: int,
    line: str,
    desk: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As on a full disk: the system takes the first bytes of a file, and then no more."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        code = typed_line(monkeypatch, f"{line} hydra.run.dir=r")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    said = capsys.readouterr().err
    assert code == 2, said
    assert "Traceback" not in said
    held(f"…{TOO_LARGE}{DISK}", said)
    left = [path for path in desk.rglob("*") if path.suffix in (".pth", ".ckpt", ".bin", ".tmp")]
    assert [path.name for path in left if not path.is_symlink()] == [], "nothing half is left"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "No space left on device; make room, or write elsewhere: hydra.run.dir=FOLDER,"),
        (errno.EACCES, "Permission denied; you may not do that there: hydra.run.dir=FOLDER,"),
        (errno.EROFS, "Read-only file system; nothing can be written there: hydra.run.dir=FOLDER,"),
        (errno.EMFILE, "Too many open files; more files may be open at once with ulimit -n; fewer"),
        (errno.ENOENT, "No such file or directory"),
    ],
)
def test_what_the_system_says_is_explained(number: int, said: str) -> None:
    message = user_message(OSError(number, os.strerror(number), "x"))
    assert message is not None
    assert message.startswith(f"x: {said}")
    message = user_message(OSError(number, os.strerror(number)))
    assert message is not None
    assert message.startswith(said)


def test_a_checkpoint_that_torch_could_not_write() -> None:
    message = user_message(RuntimeError("[enforce fail at inline_container.cc:659] . unexpected pos 64 vs 0"))
    assert message is not None
    assert message.startswith("a checkpoint could not be written, so the disk is full or ended it: make room")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (desk / "locked").mkdir(mode=0o500)
    assert typed_line(monkeypatch, f"{TRAIN} hydra.run.dir=locked/r") == 2
    assert "Permission denied; you may not do that there" in capsys.readouterr().err


def test_a_wrong_checksum(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(b"another file", name="benchmark.tar") as served:
        served_from(monkeypatch, served.url, "Set5", checksums={"sha256": "0" * 64}, recorded_by="the test")
        assert typed_line(monkeypatch, PREPARE) == 2
    held(
        "Set5: benchmark.tar from http://… is not the published file: … "
        "(recorded by the test); it was deleted\n  by hand: download benchmark.tar from http://… in any "
        "way\n…",
        capsys.readouterr().err,
    )
    assert not list(desk.rglob("benchmark.tar"))


# ---- devices that only another machine has


def settings(**changes: Any) -> Any:
    trainer = {"accelerator": "gpu", "devices": 1, "strategy": "auto"} | changes
    return OmegaConf.create({"precision": "auto", "trainer": trainer})


@pytest.mark.parametrize(
    ("count", "given", "told"),
    [
        (1, 2, "trainer.devices=2: there are 1 GPUs here, numbers 0; trainer.devices=auto takes all of them"),
        (2, [0, 5], r"trainer.devices=\[0, 5\]: there are 2 GPUs here, numbers 0 to 1; trainer.devices=auto"),
        (2, 2, ""),
        (2, [1], ""),
        (2, "auto", ""),
    ],
)
def test_more_gpus_than_there_are(count: int, given: Any, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    if not told:
        devices.refuse_absent_devices(settings(devices=given))
        return
    with pytest.raises(ValueError, match=told):
        devices.refuse_absent_devices(settings(devices=given))
