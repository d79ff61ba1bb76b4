"""Online, against a server on this machine: what arrives there, also of a run that was killed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tasks.nursery import Child, nursery
from tests.tasks.runs import photographs
from tests.tasks.test_wandb import SMALL, assert_nothing_is_left
from tests.tasks.wandb_server import Kept, wandb_server

Start = Callable[..., Child]
KEY = "0123456789abcdef0123456789abcdef01234567"
ONLINE = [*SMALL, "logger.wandb.offline=false", "logger.wandb.pictures=1", "data.steps_per_epoch=40"]


@pytest.fixture(scope="module")
def server() -> Iterator[Kept]:
    with wandb_server() as kept:
        yield kept


@pytest.fixture(scope="module")
def start(server: Kept, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    folder = tmp_path_factory.mktemp("runs")
    photographs(folder / "photographs", count=5)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "HOME"):
            patch.setenv(name, str(folder / "wandb"))
        patch.setenv("WANDB_BASE_URL", server.url)
        patch.setenv("WANDB_API_KEY", KEY)
        patch.delenv("WANDB_MODE", raising=False)
        with nursery(folder) as begin:
            yield begin


def test_the_server_has_every_row_once_also_after_a_kill(start: Start, server: Kept) -> None:
    """Its last rows were in the memory of wandb's process, which is gone; the file has them."""
    child = start(*ONLINE, "run=run", rests=52)
    child.wait_until_it_rests()
    child.kill()
    assert child.wait() == -9, child.said
    child = start(*ONLINE, "run=run")
    assert child.wait() == 0, child.said
    assert_nothing_is_left(child)
    numbers = [row["_step"] for row in server.rows]
    assert numbers == list(range(len(numbers)))
    assert [row["batches"] for row in server.rows if "train/loss" in row] == list(range(2, 121, 2))
    assert [row["batches"] for row in server.rows if "val/psnr_y" in row] == [40, 80, 120]
    assert all(row["samples"] == 2 * row["batches"] for row in server.rows)
    assert server.exit_code == 0
    assert {Path(name).parts[0] for name in server.files} >= {"media", "config.yaml"}
    assert "broken" not in child.said
    assert KEY not in child.said
    for path in (child.log.parent / "run").rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path
