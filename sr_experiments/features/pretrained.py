"""Files of published networks: found, fetched, verified and read.

Looked for in this order: the file that the config names, torch hub's cache ($TORCH_HOME/hub/checkpoints), a
download into that cache. torchvision puts the first digits of a file's sha256 into its name. A cached file
is held against them before it is used, which torch.hub itself does while downloading only.
"""

import hashlib
import http.client
import logging
import pickle
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlparse

import torch
from torch import Tensor

_log = logging.getLogger(__name__)

HANDLES = "loss.terms.NAME.loss.weights=FILE (in a loss) or metric.NAME.weights=FILE (in a metric)"
"""How a weight file is named on the command line."""

DOWNLOAD_TIMEOUT = 10.0
"""Seconds without an answer or another byte after which a download is given up."""


class NotAtHand(ValueError):
    """A published file that is needed is not on this machine, and was not to be downloaded.

    A metric that raises it can not be measured; whoever asked for several may go on with the others. The
    message names the file, and where to put it.
    """


@dataclass(frozen=True)
class Published:
    """A published weight file: the network's name, and an address ending in `<name>-<sha256 prefix>.pth`."""

    name: str
    url: str

    @property
    def filename(self) -> str:
        """The file's name, in the address and in the cache."""
        return Path(urlparse(self.url).path).name

    @property
    def sha256_prefix(self) -> str:
        """The first hexadecimal digits of the file's sha256."""
        return Path(self.filename).stem.rpartition("-")[2]

    @property
    def cached(self) -> Path:
        """Where torch hub keeps the file, be it there or not."""
        return cache_folder() / self.filename


def cache_folder() -> Path:
    """torch hub's folder of weight files: `$TORCH_HOME/hub/checkpoints`, be it there or not."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def in_package(package: str, place: Path) -> Path | None:
    """Where an installed package would have a file; the package itself is not imported."""
    spec = find_spec(package)
    return Path(spec.origin).parent / place if spec is not None and spec.origin is not None else None


def find_weights(published: Published, *, file: str | None, download: bool) -> Path | None:
    """Find a published network's weight file.

    Args:
        published: Which network.
        file: A file named by the user; it is taken as it is, and nothing else is tried.
        download: Whether to go online if the cache has no file.

    Returns:
        The file; None if the cache has none and `download` is false.

    Raises:
        FileNotFoundError: `file` is given and is not there.
        ValueError: The cached file is not the published one, or the download failed.
    """
    if file is not None:
        named = Path(file).expanduser()
        if not named.is_file():
            raise FileNotFoundError(
                f"weights={file}: there is no such file; give one with the weights of {published.name}, or "
                f"weights=null for {published.cached}"
            )
        return named
    cached = published.cached
    if not cached.is_file():
        if not download:
            return None
        _download(published)
    _verify(cached, published)
    return cached


def read_weights(path: Path, *, name: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Read the tensors of a weight file, running no code that may be in it.

    Args:
        path: A file written by torch.save.
        name: The network's name, for messages.
        shapes: The keys wanted, with their shapes; other keys are ignored.

    Returns:
        The wanted tensors in float32, on the CPU.

    Raises:
        ValueError: The file cannot be read, or does not hold these tensors in these shapes.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} is not a file of tensors only, so the weights of {name} cannot be read from it"
        ) from error
    except Exception as error:  # a damaged file makes torch.load raise nearly anything, struct.error included
        raise ValueError(
            f"{path} cannot be read as the weights of {name} ({type(error).__name__}): is it damaged?"
        ) from error
    for key, shape in shapes.items():
        tensor = state.get(key) if isinstance(state, Mapping) else None
        if not isinstance(tensor, Tensor) or tuple(tensor.shape) != shape:
            found = f"it is {tuple(tensor.shape)}" if isinstance(tensor, Tensor) else "it is not there"
            raise ValueError(
                f"{path} does not hold the weights of {name}: {key} should have the shape {shape}, and "
                f"{found}; give the file that was published"
            )
    return {key: state[key].float() for key in shapes}


def _verify(path: Path, published: Published) -> None:
    """Raise ValueError unless the file's sha256 begins as its name says."""
    status = path.stat()
    begins = _sha256(path, status.st_size, status.st_mtime_ns)[: len(published.sha256_prefix)]
    if begins != published.sha256_prefix:
        raise ValueError(
            f"{path} is not the published file of {published.name}: its sha256 begins with {begins}, not "
            f"{published.sha256_prefix}. Delete it, and a run that may go online downloads it again; or put "
            f"the right file in its place; or name a file of your own with {HANDLES}"
        )


@lru_cache(maxsize=16)
def _sha256(path: Path, size: int, modified_ns: int) -> str:
    """The file's digest, computed once; by size and time a changed file is known, and read again."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _download(published: Published) -> None:
    """Fetch the file into the cache, whole or not at all."""
    cached = published.cached
    _log.info("downloading the weights of %s from %s to %s", published.name, published.url, cached)
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        with _socket_timeout(DOWNLOAD_TIMEOUT):
            torch.hub.download_url_to_file(
                published.url,
                str(cached),
                hash_prefix=published.sha256_prefix,
                progress=sys.stderr.isatty(),
            )
    # RuntimeError is torch.hub's word for a wrong hash; the others are the network's and the disk's.
    except (OSError, http.client.HTTPException, RuntimeError) as error:
        if isinstance(error, HTTPError):
            error.close()  # it is the server's answer too, with an open connection
        raise ValueError(
            f"the weights of {published.name} are not to be had: {cached} does not exist, and the download "
            f"from {published.url} failed ({error or type(error).__name__}). Three ways to mend it: put "
            f"{published.filename} into {cached.parent}; name a file with {HANDLES}; or go online and start "
            "again"
        ) from error


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Give new sockets a time limit; torch.hub has no argument for it and would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
