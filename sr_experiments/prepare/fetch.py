"""Downloading one large file over a connection that may break.

What has arrived stays in `<target>.part`, what is known about it in `<target>.part.json`. A new attempt asks
for the rest (RFC 9110, section 14: Range with If-Range), and starts over where the server's file has become
another or the server does not know ranges. Nothing is called `<target>` before it is whole.
"""

import http.client
import logging
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import sr_experiments
from sr_experiments.data.memory import readable
from sr_experiments.prepare.part import Part, content_range
from sr_experiments.prepare.progress import Meter

_log = logging.getLogger(__name__)

CHUNK = 1 << 20
PROGRESS = 1 << 20  # so many new bytes make an attempt one that got on
WORTH_ANOTHER_TRY = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for.

    Attributes:
        attempts: Connections in a row that bring nothing new before it is given up.
        timeout: Seconds without a byte after which a connection counts as broken.
        pause: Seconds before the second attempt; twice as long before each further one.
    """

    attempts: int = 5
    timeout: float = 60.0
    pause: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what would not try at all.

        Raises:
            ValueError: If there were no attempt, or no time.
        """
        if self.attempts < 1:
            raise ValueError(f"task.attempts={self.attempts} must be 1 or more")
        if self.timeout <= 0:
            raise ValueError(f"task.timeout={self.timeout} must be more than 0 seconds")


class _Broken(Exception):
    """The connection brought less than it should; another one may bring the rest."""


class _Unreachable(_Broken):
    """There was no connection at all: no use in waiting, unless there had been one a moment ago."""


def download(url: str, target: Path, *, size: int | None = None, patience: Patience | None = None) -> None:
    """Bring a file here, whole or not at all. Being interrupted costs nothing: what has arrived is kept.

    Args:
        url: An address beginning with http or https.
        target: Where it goes; its folder is made.
        size: How many bytes the file is known to have.
        patience: How long the server is waited for.

    Raises:
        ValueError: With the address and the reason, where it cannot be had.
    """
    patience = patience or Patience()
    _refuse_address(url)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Part(target, url=url)
    failures, connected = 0, False
    while True:
        before = part.size
        try:
            _attempt(url, part, size=size, patience=patience)
            break
        except _Broken as broken:
            failures = 1 if part.size - before >= PROGRESS else failures + 1
            connected = connected or not isinstance(broken, _Unreachable)
            if failures >= patience.attempts or not connected:
                raise ValueError(_gave_up(url, str(broken), part, attempts=failures)) from broken
            wait = patience.pause * 2 ** (failures - 1)
            _log.warning("%s: %s; %s arrived, next attempt in %g s", url, broken, readable(part.size), wait)
            time.sleep(wait)
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(
                f"{readable(part.size)} of {target.name} are kept, the same command goes on from there"
            ) from stop
    part.finish()


def _refuse_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f"{url} is no address to download from: it must begin with http:// or https://; "
            "a file that is here already is given by task.archive=FILE"
        )


def _gave_up(url: str, reason: str, part: Part, *, attempts: int) -> str:
    tried = f" ({attempts} attempts)" if attempts > 1 else ""
    kept = (
        f"; {readable(part.size)} are kept in {part.path}, the same command goes on from there"
        if part.size
        else ""
    )
    return f"cannot download {url}: {reason}{tried}{kept}"


def _attempt(url: str, part: Part, *, size: int | None, patience: Patience) -> None:
    """One connection: ask for what is missing, write what comes.

    Raises:
        _Broken: If there is a reason to try again.
        ValueError: If there is none.
    """
    headers = {"User-Agent": f"sr_experiments/{sr_experiments.__version__}", "Accept-Encoding": "identity"}
    request = urllib.request.Request(url, headers=headers | part.headers())
    try:
        with closing(urllib.request.urlopen(request, timeout=patience.timeout)) as response:
            start = _start_of(response, part)
            total = _announced(response, start=start)
            _refuse_answer(url, response, total=total, size=size)
            _refuse_full_disk(part.path.parent, total=total, have=start)
            part.begin(start, validator=_validator(response.headers), total=total)
            _write(response, part, total=total)
    except urllib.error.HTTPError as error:
        with closing(error):
            _answered_with_error(url, error, part)
    except urllib.error.URLError as error:
        raise _connection_failure(error.reason, patience) from error
    except http.client.InvalidURL as error:
        raise ValueError(f"{url} is no address to download from: {error}") from error
    except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise _connection_failure(error, patience) from error


def _start_of(response: http.client.HTTPResponse, part: Part) -> int:
    """From which byte on the server sends."""
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        return 0  # no ranges, or another file than before
    found = content_range(response.headers.get("Content-Range"))
    if found is None or found.start != part.size or not part.may_have(found.total):
        part.forget()
        raise _Broken("the server sent another part of the file than it was asked for")
    return found.start


def _announced(response: http.client.HTTPResponse, *, start: int) -> int | None:
    """How large the whole file is to be."""
    found = content_range(response.headers.get("Content-Range"))
    if found is not None and found.total is not None:
        return found.total
    length = response.headers.get("Content-Length")
    return start + int(length) if length is not None and length.isdigit() else None


def _refuse_answer(
    url: str, response: http.client.HTTPResponse, *, total: int | None, size: int | None
) -> None:
    kind = response.headers.get_content_type() if "Content-Type" in response.headers else ""
    if kind == "text/html":
        raise ValueError(f"cannot download {url}: it answers with a web page, not with a file")
    if size is not None and total is not None and total != size:
        raise ValueError(
            f"cannot download {url}: the server announces {total} bytes, but the published file has {size}; "
            "it is another file, or the server is wrong"
        )


def _refuse_full_disk(folder: Path, *, total: int | None, have: int) -> None:
    """Images hardly shrink: unpacked they take about as much as the archive."""
    free = shutil.disk_usage(folder).free
    if total is not None and 2 * total - have > free:
        raise ValueError(
            f"{readable(free)} are free in {folder}, but the archive and its images need "
            f"{readable(2 * total - have)}; make room, or set data_dir=FOLDER on a larger disk"
        )


def _validator(headers: Mapping[str, str]) -> str | None:
    """What If-Range takes: a strong ETag, or else the date (RFC 9110, section 13.1.5)."""
    etag = headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")


def _write(response: http.client.HTTPResponse, part: Part, *, total: int | None) -> None:
    name = part.path.name.removesuffix(".part")
    with part.path.open("ab") as file, Meter(name, unit="bytes", total=total, done=part.size) as meter:
        for block in _blocks(response):
            file.write(block)
            meter.advance(len(block))
    if total is not None and part.size < total:
        raise _Broken(f"the connection ended after {part.size} of {total} bytes")


def _blocks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """What arrives, until the connection ends one way or another."""
    while True:
        try:
            block = response.read1(CHUNK)
        except TimeoutError:
            raise
        except OSError as error:  # of the socket: the disk's are not caught here
            raise _Broken(f"the connection broke ({_reason(error)})") from error
        if not block:
            return
        yield block


def _answered_with_error(url: str, error: urllib.error.HTTPError, part: Part) -> None:
    """What a status that is no success means for the part that is here."""
    said = f"the server answers {error.code} {error.reason}".rstrip()
    if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and part.size:
        found = content_range(error.headers.get("Content-Range"))
        if found is not None and found.total == part.size:
            if part.total in (None, part.size):
                return  # it was whole, only its name was missing
            contradiction = f"announced {part.total} bytes, but the file ends after {part.size}"
            part.forget()
            raise ValueError(f"cannot download {url}: the server {contradiction}")
        part.forget()
        raise _Broken("the file on the server has become another")
    if error.code in WORTH_ANOTHER_TRY:
        raise _Broken(said)
    raise ValueError(f"cannot download {url}: {said}")


def _connection_failure(error: object, patience: Patience) -> Exception:
    """Whether a failure to connect or to get an answer passes by waiting."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _Unreachable(f"its certificate cannot be trusted ({error.verify_message})")
    if isinstance(error, TimeoutError):
        return _Broken(f"no byte came for {patience.timeout:g} s")
    if isinstance(error, socket.gaierror):
        return _Unreachable(f"the name cannot be resolved ({_reason(error)}); is there a network?")
    if isinstance(error, ConnectionResetError | http.client.HTTPException | ssl.SSLError):
        return _Broken(f"the connection broke ({_reason(error)})")
    return _Unreachable(f"there is no connection ({_reason(error)})")


def _reason(error: object) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
