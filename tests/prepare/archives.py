"""Archives of small pictures, well made and badly."""

import io
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sr_experiments.prepare import catalogue
from sr_experiments.prepare.catalogue import Archive, PublishedSet


@lru_cache(maxsize=256)
def picture(seed: int = 0, height: int = 48, width: int = 60, mode: str = "RGB", kind: str = "PNG") -> bytes:
    """The bytes of an image file of noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(stream, format=kind)
    return stream.getvalue()


def benchmark_tree(name: str = "Set5", images: int = 5, grey: int = 0) -> dict[str, bytes]:
    """A set as the archive of the EDSR authors has it."""
    files = {}
    for index in range(images):
        mode = "L" if index < grey else "RGB"
        files[f"benchmark/{name}/HR/img{index}.png"] = picture(index, mode=mode)
        for scale in (2, 3, 4):
            small = picture(index, 48 // scale, 60 // scale, mode)
            files[f"benchmark/{name}/LR_bicubic/X{scale}/img{index}x{scale}.png"] = small
    return files


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    """A zip file with these contents."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, files: Mapping[str, bytes], *, links: Mapping[str, str] | None = None) -> Path:
    """A tar file, compressed where its name ends in gz; `links` are symbolic, `/dev` a device."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz" if path.suffix in (".tgz", ".gz") else "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            if target == "/dev":
                entry.type, entry.linkname = tarfile.CHRTYPE, ""
            archive.addfile(entry)
    return path


def entry_of(name: str) -> PublishedSet:
    """From the catalogue."""
    return next(entry for entry in catalogue.CATALOGUE if entry.name == name)


def served_from(monkeypatch: pytest.MonkeyPatch, url: str, *names: str, **facts: object) -> None:
    """Let sets of the catalogue come from another address, with other facts about the archive."""
    archive = Archive(file=url.rpartition("/")[2], url=url, **facts)  # type: ignore[arg-type]
    changed = tuple(
        replace(entry, archive=archive) if entry.name in names else entry for entry in catalogue.CATALOGUE
    )
    monkeypatch.setattr(catalogue, "CATALOGUE", changed)
