"""Weight files: where they are looked for, what is refused, and what a failed download leaves behind."""

import hashlib
import os
import pickle
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from sr_experiments.features import pretrained
from sr_experiments.features.pretrained import Published, find_weights, read_weights

BODY = b"weights of a small network" * 4000
PREFIX = hashlib.sha256(BODY).hexdigest()[:8]


class Server(ThreadingHTTPServer):
    """Serves BODY in as many ways as a server can misbehave."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = 0
        self.release = threading.Event()

    def address(self, kind: str, *, prefix: str = PREFIX) -> str:
        return f"http://127.0.0.1:{self.server_port}/{kind}/net-{prefix}.pth"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests += 1
        kind = self.path.split("/")[1]
        if kind == "missing":
            self.send_error(404)
            return
        if kind == "silent":
            self.server.release.wait(20)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY[: len(BODY) // 2] if kind == "broken" else BODY)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.release.set()
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch hub; where it would be, for it is not made yet."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


def _offline() -> str:
    """An address at which nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/net-{PREFIX}.pth"


def test_name_and_hash_come_from_the_address(cache: Path) -> None:
    published = Published("Net", "https://example.org/models/alexnet-owt-7be5be79.pth?x=1")
    assert published.filename == "alexnet-owt-7be5be79.pth"
    assert published.sha256_prefix == "7be5be79"
    assert published.cached == cache / "alexnet-owt-7be5be79.pth"


def test_a_named_file_comes_first(tmp_path: Path, server: Server) -> None:
    own = tmp_path / "own.pth"
    own.write_bytes(b"any bytes: a file of the user's is not held against the published hash")
    assert find_weights(Published("Net", server.address("good")), file=str(own), download=True) == own
    assert server.requests == 0


def test_a_named_file_may_lie_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "own.pth").touch()
    assert (
        find_weights(Published("Net", _offline()), file="~/own.pth", download=False) == tmp_path / "own.pth"
    )


@pytest.mark.parametrize("download", [True, False])
def test_a_named_file_that_is_missing_is_not_replaced(tmp_path: Path, server: Server, download: bool) -> None:
    published = Published("Net", server.address("good"))
    with pytest.raises(FileNotFoundError, match=r"weights=.*gone\.pth: there is no such file; give one with"):
        find_weights(published, file=str(tmp_path / "gone.pth"), download=download)
    assert server.requests == 0


def test_the_cache_comes_second(cache: Path, server: Server) -> None:
    published = Published("Net", server.address("good"))
    cache.mkdir(parents=True)
    published.cached.write_bytes(BODY)
    assert find_weights(published, file=None, download=True) == published.cached
    assert server.requests == 0


@pytest.mark.parametrize("download", [True, False])
def test_a_cached_file_of_another_hash_is_refused(cache: Path, download: bool) -> None:
    """torch hub takes whatever lies there under the right name, a broken-off copy included."""
    published = Published("Net", _offline())
    cache.mkdir(parents=True)
    published.cached.write_bytes(BODY[:-1])
    wrong = hashlib.sha256(BODY[:-1]).hexdigest()[:8]
    message = (
        rf"{published.cached} is not the published file of Net: its sha256 begins with {wrong}, not {PREFIX}"
        r"\. Delete it, .*loss\.terms\.NAME\.loss\.weights=FILE"
    )
    with pytest.raises(ValueError, match=message):
        find_weights(published, file=None, download=download)
    published.cached.write_bytes(BODY)  # mended: the digest is computed again
    assert find_weights(published, file=None, download=download) == published.cached


def test_an_unchanged_file_is_hashed_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a gigabyte, in a run that has two losses on one network."""
    published = Published("Net", _offline())
    cache.mkdir(parents=True)
    published.cached.write_bytes(BODY)
    find_weights(published, file=None, download=False)
    monkeypatch.setattr(hashlib, "file_digest", None)
    assert find_weights(published, file=None, download=False) == published.cached


def test_the_download_comes_third(cache: Path, server: Server) -> None:
    published = Published("Net", server.address("good"))
    before = socket.getdefaulttimeout()
    assert find_weights(published, file=None, download=True) == cache / f"net-{PREFIX}.pth"
    assert published.cached.read_bytes() == BODY
    assert socket.getdefaulttimeout() == before
    assert find_weights(published, file=None, download=True) == published.cached
    assert server.requests == 1


def test_nothing_is_downloaded_unasked(cache: Path, server: Server) -> None:
    assert find_weights(Published("Net", server.address("good")), file=None, download=False) is None
    assert server.requests == 0
    assert not cache.exists()


@pytest.mark.parametrize(
    ("kind", "prefix", "reason"),
    [
        ("missing", PREFIX, "404"),
        ("broken", PREFIX, "invalid hash value|IncompleteRead"),
        ("good", "0" * 8, "invalid hash value"),
        ("silent", PREFIX, "timed out"),
    ],
)
def test_a_failed_download_says_what_to_do_and_leaves_nothing(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch, kind: str, prefix: str, reason: str
) -> None:
    if kind == "silent":  # the others keep the ten seconds, for a machine that has much to do
        monkeypatch.setattr(pretrained, "DOWNLOAD_TIMEOUT", 0.3)
    published = Published("Net", server.address(kind, prefix=prefix))
    with pytest.raises(ValueError, match=reason) as caught:
        find_weights(published, file=None, download=True)
    assert list(cache.iterdir()) == []
    message = str(caught.value)
    assert f"{published.cached} does not exist, and the download from {published.url} failed" in message
    assert f"Three ways to mend it: put {published.filename} into {cache}; " in message
    assert (
        "name a file with loss.terms.NAME.loss.weights=FILE (in a loss) or metric.NAME.weights=FILE (in a "
        "metric); or go online and start again" in message
    )
    assert socket.getdefaulttimeout() is None


def test_an_offline_machine_answers_at_once(cache: Path) -> None:
    started = time.perf_counter()
    with pytest.raises(ValueError, match=r"failed \(.*refused.*\)\. Three ways to mend it"):
        find_weights(Published("Net", _offline()), file=None, download=True)
    assert time.perf_counter() - started < 5
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_said_so(tmp_path: Path, server: Server) -> None:
    (tmp_path / "torch").touch()
    with pytest.raises(ValueError, match=r"failed \(.*torch.*\)\. Three ways to mend it"):
        find_weights(Published("Net", server.address("good")), file=None, download=True)


# --- reading ------------------------------------------------------------

SHAPES = {"a.weight": (2, 3), "a.bias": (2,)}


def _state() -> dict[str, torch.Tensor]:
    return {"a.weight": torch.rand(2, 3), "a.bias": torch.rand(2), "classifier.weight": torch.rand(9)}


@pytest.mark.parametrize("zipped", [True, False])
def test_reads_the_wanted_tensors(tmp_path: Path, zipped: bool) -> None:
    """torchvision's own file of VGG19 is of 2017 and in torch's old format."""
    state, path = _state(), tmp_path / "net.pth"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    read = read_weights(path, name="Net", shapes=SHAPES)
    torch.testing.assert_close(read, {key: state[key] for key in SHAPES}, rtol=0, atol=0)


def test_reads_half_precision_as_float32(tmp_path: Path) -> None:
    torch.save({key: tensor.half() for key, tensor in _state().items()}, tmp_path / "net.pth")
    read = read_weights(tmp_path / "net.pth", name="Net", shapes=SHAPES)
    assert {tensor.dtype for tensor in read.values()} == {torch.float32}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"a.weight": torch.rand(2, 4)}, r"a\.weight should have the shape \(2, 3\), and it is \(2, 4\)"),
        ({"a.bias": None}, r"a\.bias should have the shape \(2,\), and it is not there"),
    ],
)
def test_refuses_another_networks_file(tmp_path: Path, change: dict[str, object], found: str) -> None:
    path = tmp_path / "net.pth"
    torch.save({**_state(), **change}, path)
    with pytest.raises(
        ValueError, match=f"{path} does not hold the weights of Net: {found}; give the file that was p"
    ):
        read_weights(path, name="Net", shapes=SHAPES)


def test_refuses_a_file_that_is_no_mapping(tmp_path: Path) -> None:
    torch.save([torch.rand(2)], tmp_path / "net.pth")
    with pytest.raises(ValueError, match=r"does not hold the weights of Net: a\.weight .* it is not there"):
        read_weights(tmp_path / "net.pth", name="Net", shapes=SHAPES)


class Trap:
    """What a malicious file looks like."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_runs_no_code_of_a_file(tmp_path: Path) -> None:
    path, sprung = tmp_path / "net.pth", tmp_path / "sprung"
    torch.save({"a.weight": Trap(sprung)}, path)
    with pytest.raises(
        ValueError, match=rf"{path} is not a file of tensors only, so the weights of Net cannot be"
    ):
        read_weights(path, name="Net", shapes=SHAPES)
    path.write_bytes(pickle.dumps(Trap(sprung), protocol=2))
    with pytest.raises(ValueError, match=r"weights of Net"):
        read_weights(path, name="Net", shapes=SHAPES)
    assert not sprung.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_refuses_a_damaged_file(tmp_path: Path, zipped: bool) -> None:
    """Cut anywhere, torch.load raises half a dozen kinds of exceptions; the user gets one."""
    path = tmp_path / "net.pth"
    torch.save(_state(), path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for kept in range(0, len(whole) - 1, max(1, len(whole) // 40)):
        path.write_bytes(whole[:kept])
        with pytest.raises(ValueError, match="of Net") as caught:
            read_weights(path, name="Net", shapes=SHAPES)
        assert str(path) in str(caught.value)


def test_an_empty_file_is_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "net.pth").touch()
    with pytest.raises(
        ValueError, match=r"cannot be read as the weights of Net \(EOFError\): is it damaged\?"
    ):
        read_weights(tmp_path / "net.pth", name="Net", shapes=SHAPES)
