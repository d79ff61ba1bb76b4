"""Whether a file is the one that is meant."""

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path

from sr_experiments.prepare.progress import Meter

CHUNK = 1 << 22
DEFAULT = "sha256"  # what is told about a file that nobody published a checksum of


def fingerprint(path: Path, *, algorithms: Collection[str]) -> dict[str, str]:
    """Hexadecimal digests of a file by algorithm, read once."""
    found = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    with (
        path.open("rb") as file,
        Meter(f"checking {path.name}", unit="bytes", total=path.stat().st_size) as meter,
    ):
        while block := file.read(CHUNK):
            for digest in found.values():
                digest.update(block)
            meter.advance(len(block))
    return {name: digest.hexdigest() for name, digest in found.items()}


def mismatch(path: Path, *, checksums: Mapping[str, str]) -> str | None:
    """What is wrong with a file according to its checksums, if anything is."""
    found = fingerprint(path, algorithms=checksums)
    wrong = [
        f"its {name} is {found[name]}, the published file's {expected}"
        for name, expected in checksums.items()
        if found[name] != expected.lower()
    ]
    return "; ".join(wrong) or None
