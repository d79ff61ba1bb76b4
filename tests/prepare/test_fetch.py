"""Downloads over connections that break, from servers that lie."""

import json
import shutil
import socket
import ssl
import struct
import threading
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest

from sr_experiments.prepare.fetch import Patience, download
from sr_experiments.prepare.part import Part, content_range
from sr_experiments.prepare.progress import Meter
from tests.prepare.server import date, serving

FILE = np.random.default_rng(0).bytes(3_000_000)
SHORT = Patience(attempts=3, timeout=5.0, pause=0.001)


def fetched(url: str, folder: Path, *, patience: Patience = SHORT, size: int | None = None) -> bytes:
    target = folder / "set.zip"
    download(url, target, size=size, patience=patience)
    assert [path.name for path in folder.iterdir()] == ["set.zip"], "nothing is left beside it"
    return target.read_bytes()


def refused(url: str, folder: Path, *, patience: Patience = SHORT, size: int | None = None) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        download(url, folder / "set.zip", size=size, patience=patience)
    assert not (folder / "set.zip").exists()
    return str(caught.value)


def test_a_good_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(FILE) as served:
        assert fetched(served.url, tmp_path, size=len(FILE)) == FILE
        assert served.asked == [None]
        assert served.headers[0]["User-Agent"].startswith("sr_experiments/")
    assert "set.zip: 3 MB of 3 MB" in " ".join(capsys.readouterr().out.split())


def test_a_connection_that_breaks_is_resumed(tmp_path: Path) -> None:
    """Without resuming, a file larger than what a connection brings would never arrive."""
    with serving(FILE, break_after=[1_000_000, 1_200_000, None]) as served:
        assert fetched(served.url, tmp_path) == FILE
        assert served.asked == [None, "bytes=1000000-", "bytes=2200000-"]
        assert served.sent == len(FILE), "no byte is sent twice"
        assert [headers.get("If-Range") for headers in served.headers] == [None, '"one"', '"one"']


def test_a_later_call_goes_on_where_the_first_was_stopped(tmp_path: Path) -> None:
    with serving(FILE, break_after=[500_000, 0]) as served:
        text = refused(served.url, tmp_path)
        part = tmp_path / "set.zip.part"
        assert text == (
            f"cannot download {served.url}: the connection ended after 500000 of 3000000 bytes (3 attempts); "
            f"500 kB are kept in {part}, the same command goes on from there"
        )
        assert part.read_bytes() == FILE[:500_000]
        served.conduct.break_after = [None]
        assert fetched(served.url, tmp_path) == FILE
        assert served.asked[-1] == "bytes=500000-"


def test_attempts_are_counted_anew_after_progress(tmp_path: Path) -> None:
    """A connection that breaks every 1.1 MB of a large file must not use up a few attempts."""
    two = Patience(attempts=2, timeout=5.0, pause=0.001)
    with serving(FILE + FILE, break_after=[1_100_000]) as served:
        assert fetched(served.url, tmp_path, patience=two) == FILE + FILE
        assert len(served.asked) == 6


def test_a_server_without_ranges_starts_over_cleanly(tmp_path: Path) -> None:
    with serving(FILE, ranges=False, break_after=[1_000_000, None]) as served:
        assert fetched(served.url, tmp_path) == FILE
        assert served.asked == [None, "bytes=1000000-"]


@pytest.mark.parametrize("version", ["etag", "date"])
def test_a_file_that_became_another_is_not_glued_together(tmp_path: Path, version: str) -> None:
    other = FILE[::-1]
    options: dict[str, Any] = {"etag": {"etag": '"one"'}, "date": {"etag": 'W/"weak"', "modified": date()}}
    with serving(FILE, other, break_after=[1_000_000, None], **options[version]) as served:
        conduct = served.conduct

        original = conduct.modified if version == "date" else conduct.etag
        refused(served.url, tmp_path, patience=Patience(attempts=1, timeout=5.0))
        if version == "date":
            conduct.modified = "Fri, 02 Jan 1970 00:00:00 GMT"
        else:
            conduct.etag = '"two"'
        assert fetched(served.url, tmp_path) == other
        assert served.headers[1]["If-Range"] == original


def test_another_size_is_another_file_even_without_versions(tmp_path: Path) -> None:
    with serving(FILE, FILE[:2_500_000], etag=None, break_after=[1_000_000, None]) as served:
        assert fetched(served.url, tmp_path) == FILE[:2_500_000]
        assert served.asked == [None, "bytes=1000000-", None]


def test_a_part_from_another_address_is_not_continued(tmp_path: Path) -> None:
    (tmp_path / "set.zip.part").write_bytes(b"x" * 1000)
    notes = {"url": "http://127.0.0.1:1/set.zip", "validator": None, "total": 3_000_000}
    (tmp_path / "set.zip.part.json").write_text(json.dumps(notes), encoding="utf-8")
    with serving(FILE) as served:
        assert fetched(served.url, tmp_path) == FILE
        assert served.asked == [None]


@pytest.mark.parametrize("notes", ['{"url": "http', "[]"])
def test_notes_that_were_cut_off_mean_a_fresh_start(tmp_path: Path, notes: str) -> None:
    (tmp_path / "set.zip.part").write_bytes(b"x" * 1000)
    (tmp_path / "set.zip.part.json").write_text(notes, encoding="utf-8")
    with serving(FILE) as served:
        assert fetched(served.url, tmp_path) == FILE


def test_a_whole_part_needs_only_its_name(tmp_path: Path) -> None:
    """Killed between the last byte and the renaming."""
    with serving(FILE) as served:
        part = Part(tmp_path / "set.zip", url=served.url)
        part.begin(0, validator='"one"', total=len(FILE))
        part.path.write_bytes(FILE)
        assert fetched(served.url, tmp_path) == FILE
        assert served.sent == 0


def test_a_part_that_is_too_long_is_thrown_away(tmp_path: Path) -> None:
    with serving(FILE) as served:
        part = Part(tmp_path / "set.zip", url=served.url)
        part.begin(0, validator='"one"', total=len(FILE))
        part.path.write_bytes(FILE + b"x")
        assert fetched(served.url, tmp_path) == FILE


def test_a_wrong_part_is_refused_and_then_fetched_whole(tmp_path: Path) -> None:
    with serving(FILE, break_after=[1_000_000, None], wrong_range=True) as served:
        assert fetched(served.url, tmp_path) == FILE
        assert served.asked == [None, "bytes=1000000-", None]


def test_a_length_that_is_too_long(tmp_path: Path) -> None:
    with serving(FILE, announced=4_000_000) as served:
        assert refused(served.url, tmp_path) == (
            f"cannot download {served.url}: the server announced 4000000 bytes, "
            "but the file ends after 3000000"
        )
        assert not list(tmp_path.iterdir()), "a next call starts afresh"


def test_a_length_that_is_too_long_without_ranges(tmp_path: Path) -> None:
    with serving(FILE, announced=4_000_000, ranges=False) as served:
        text = refused(served.url, tmp_path, patience=Patience(attempts=2, timeout=5.0, pause=0.001))
        assert "the connection ended after 3000000 of 4000000 bytes" in text


def test_a_length_that_is_too_short_is_seen_where_the_size_is_known(tmp_path: Path) -> None:
    with serving(FILE, announced=2_000_000) as served:
        assert refused(served.url, tmp_path, size=len(FILE)) == (
            f"cannot download {served.url}: the server announces 2000000 bytes, but the published file has "
            "3000000; it is another file, or the server is wrong"
        )


def test_no_length_at_all(tmp_path: Path) -> None:
    with serving(FILE, announced=-1) as served:
        assert fetched(served.url, tmp_path) == FILE


@pytest.mark.parametrize(("status", "said"), [(404, "404 Not Found"), (403, "403 Forbidden")])
def test_an_address_without_the_file(tmp_path: Path, status: int, said: str) -> None:
    with serving(FILE, status=[status]) as served:
        text = refused(served.url, tmp_path)
        assert text == f"cannot download {served.url}: the server answers {said}"
        assert len(served.asked) == 1, "asking again would not help"


def test_a_server_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    with serving(FILE, status=[503, 429, None]) as served:
        assert fetched(served.url, tmp_path) == FILE


def test_a_connection_that_is_reset_at_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with serving(FILE, reset=[True, False]) as served:
        assert fetched(served.url, tmp_path) == FILE
    assert "the connection broke" in caplog.text
    assert "next attempt in 0.001 s" in caplog.text


def test_a_server_that_never_answers(tmp_path: Path) -> None:
    with serving(FILE, silent=threading.Event()) as served:
        text = refused(served.url, tmp_path, patience=Patience(attempts=2, timeout=0.2, pause=0.001))
        assert text == f"cannot download {served.url}: no byte came for 0.2 s (2 attempts)"


def test_a_server_that_falls_silent(tmp_path: Path) -> None:
    """It answers and sends a little, then keeps the connection open for ever."""
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def stall() -> None:
        connection, _ = listener.accept()
        held.append(connection)
        connection.recv(65536)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\nfew bytes")

    thread = threading.Thread(target=stall, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/set.zip"
    text = refused(url, tmp_path, patience=Patience(attempts=1, timeout=0.2))
    assert "no byte came for 0.2 s; 9 bytes are kept" in text
    thread.join()
    for connection in (*held, listener):
        connection.close()


def test_no_server_at_all(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    text = refused(f"http://127.0.0.1:{port}/set.zip", tmp_path)
    assert text == (
        f"cannot download http://127.0.0.1:{port}/set.zip: there is no connection (Connection refused)"
    )


def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("no_proxy", "*")
    assert refused("http://images.invalid/set.zip", tmp_path) == (
        "cannot download http://images.invalid/set.zip: the name cannot be resolved "
        "(Temporary failure in name resolution); is there a network?"
    )


def test_a_web_page_is_no_archive(tmp_path: Path) -> None:
    with serving(b"<html>moved", kind="text/html; charset=utf-8") as served:
        assert refused(served.url, tmp_path) == (
            f"cannot download {served.url}: it answers with a web page, not with a file"
        )


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/set.zip", "http:///set.zip", "set.zip"])
def test_addresses_that_are_none(tmp_path: Path, url: str) -> None:
    assert refused(url, tmp_path) == (
        f"{url} is no address to download from: it must begin with http:// or https://; "
        "a file that is here already is given by task.archive=FILE"
    )


def test_an_address_with_a_space(tmp_path: Path) -> None:
    text = refused("http://127.0.0.1/a set.zip", tmp_path)
    assert text.startswith("http://127.0.0.1/a set.zip is no address to download from: URL can't contain")


def test_a_disk_that_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**7, 0, 5_000_000))
    with serving(FILE) as served:
        assert refused(served.url, tmp_path) == (
            f"5 MB are free in {tmp_path}, but the archive and its images need 6 MB; make room, or set "
            "data_dir=FOLDER on a larger disk"
        )
        assert not list(tmp_path.iterdir())


def test_being_interrupted_keeps_what_has_arrived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with serving(FILE) as served:
        with monkeypatch.context() as patch:
            patch.setattr(Meter, "advance", stop)
            with pytest.raises(KeyboardInterrupt, match=r"kB|MB") as caught:
                download(served.url, tmp_path / "set.zip", patience=SHORT)
        assert "of set.zip are kept, the same command goes on from there" in str(caught.value)
        assert fetched(served.url, tmp_path) == FILE
        assert served.asked[0] is None
        assert served.asked[1] is not None


def test_a_connection_that_is_reset_in_the_middle(tmp_path: Path) -> None:
    """Not closed, but torn: the socket raises instead of ending."""
    listener = socket.create_server(("127.0.0.1", 0))

    def tear() -> None:
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\nfew bytes")
        time.sleep(0.2)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    thread = threading.Thread(target=tear, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/set.zip"
    text = refused(url, tmp_path, patience=Patience(attempts=1, timeout=5.0))
    assert "the connection broke (Connection reset by peer); 9 bytes are kept" in text
    thread.join()
    listener.close()


def test_a_server_that_speaks_no_tls(tmp_path: Path) -> None:
    with serving(FILE) as served:
        url = served.url.replace("http:", "https:")
        assert f"cannot download {url}: the connection broke (" in refused(url, tmp_path)


def test_a_certificate_that_cannot_be_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def untrusted(*_: object, **__: object) -> None:
        error = ssl.SSLCertVerificationError(1, "certificate verify failed")
        error.verify_message = "self-signed certificate"
        raise URLError(error)

    monkeypatch.setattr("urllib.request.urlopen", untrusted)
    assert refused("https://127.0.0.1/set.zip", tmp_path) == (
        "cannot download https://127.0.0.1/set.zip: "
        "its certificate cannot be trusted (self-signed certificate)"
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"attempts": 0}, "task.attempts=0 must be 1 or more"),
        ({"timeout": 0.0}, "task.timeout=0.0 must be more than 0 seconds"),
    ],
)
def test_patience_is_needed(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=r"^" + text + "$"):
        Patience(**options)


@pytest.mark.parametrize(
    ("header", "start", "total"),
    [("bytes 5-9/10", 5, 10), ("bytes 5-9/*", 5, None), ("bytes */10", None, 10)],
)
def test_content_range(header: str, start: int | None, total: int | None) -> None:
    found = content_range(header)
    assert found is not None
    assert (found.start, found.total) == (start, total)


@pytest.mark.parametrize("header", [None, "", "pages 1-2/3", "bytes 5/10"])
def test_a_content_range_that_says_nothing(header: str | None) -> None:
    assert content_range(header) is None
