"""``task=prepare``: get the published sets that are missing, and report on all images before a run does."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from omegaconf import DictConfig

from sr_experiments.build import build_data
from sr_experiments.data.datamodule import SRData
from sr_experiments.data.shards import Sharded
from sr_experiments.data.sources import Folder, Item, Joined, Paired, Part, Source
from sr_experiments.data.stereo import Stereo
from sr_experiments.data.stock import TRAIN
from sr_experiments.prepare.acquire import (
    Missing,
    Outcome,
    absent,
    acquire,
    acquire_from_address,
    acquire_from_file,
)
from sr_experiments.prepare.catalogue import published
from sr_experiments.prepare.fetch import Patience
from sr_experiments.prepare.look import Look, look_at
from sr_experiments.prepare.place import is_absent
from sr_experiments.prepare.report import Holding, Report, add_holding, add_leaks, add_role
from sr_experiments.prepare.show import show
from sr_experiments.tasks.record import RunRecord

_log = logging.getLogger(__name__)


def prepare(
    config: DictConfig,
    run_dir: Path,
    *,
    download: bool = True,
    url: str | None = None,
    archive: str | None = None,
    keep_archive: bool = False,
    decode: bool = True,
    attempts: int = 5,
    timeout: float = 60.0,
    shards: str | None = None,
    tile: int = 512,
    shard_size: float = 64e6,
) -> None:
    """Get and check the images of `data` and `benchmark`. The run's folder gets `run.json` only.

    Args:
        config: Composed and checked.
        run_dir: The run's folder.
        download: Whether missing sets are downloaded.
        url: Another address of the archive of the set that is missing.
        archive: An archive that was fetched by hand.
        keep_archive: Keep a downloaded archive under data_dir/archives.
        decode: Decode every image, not only its header.
        attempts: Connections without progress before a server is given up.
        timeout: Seconds without a byte before a connection counts as broken.
        shards: Where the training images are written in shards: a folder, or anything that fsspec writes to.
        tile: Largest side of the tiles that they are cut into, in pixels.
        shard_size: Bytes of a shard, about.

    Raises:
        ValueError: With everything that would stop a run on these images.
    """
    _refuse_contradictions(download=download, url=url, archive=archive)
    patience = Patience(attempts=attempts, timeout=timeout)
    with RunRecord(run_dir / "run.json", task="prepare") as record:
        data = build_data(config)
        every = _roles(data)
        roles = {role: one for role, one in every.items() if not isinstance(one, Sharded | Stereo)}
        data_dir = Path(config.data_dir).expanduser()
        missing = _missing(roles, data_dir=data_dir)
        if archive is not None:
            outcome = acquire_from_file(missing, Path(archive).expanduser(), data_dir=data_dir)
        elif not download:
            outcome = absent(missing)
        elif url is not None:
            outcome = acquire_from_address(
                missing, url, data_dir=data_dir, patience=patience, keep=keep_archive
            )
        else:
            outcome = acquire(missing, data_dir=data_dir, patience=patience, keep=keep_archive)
        report = _report(data, roles, outcome, data_dir=data_dir, decode=decode)
        if any(isinstance(source, Stereo) for source in every.values()):
            report.notes.append("the stereo pair came with scikit-image: there is nothing to prepare")
            data.check("test")
        show(report)
        record.update(**report.as_dict())
        if report.problems:
            raise ValueError("\n".join(report.problems))
        if TRAIN in every:
            data.check("fit")  # the run's own judgement has the last word
        if shards is not None:
            if TRAIN not in roles:
                raise ValueError(f"task.shards={shards}: there is no training set; choose data=")
            made = data.library.write_shards(shards, tile=tile, size=shard_size)
            record.update(shards={key: made[key] for key in ("written", "scale", "channels", "lq")})
            new = f"{len(made['shards'])}, {made['written']} of them written now"
            print(f"shards   {new}; data=shards data.train.url={shards} reads them")


def _refuse_contradictions(*, download: bool, url: str | None, archive: str | None) -> None:
    if url is not None and archive is not None:
        raise ValueError(f"task.url={url} and task.archive={archive}: give one of the two")
    if url is not None and not download:
        raise ValueError(f"task.download=false fetches nothing, so task.url={url} would not be used")


def _roles(data: SRData) -> dict[str, Source]:
    """Role -> source. The demo photographs came with a dependency: beside benchmarks they are not meant."""
    tests = {f"test {name}": source for name, source in data.test.items()}
    return tests if data.demo and tests else {TRAIN: data.train, "val": data.val, **tests}


def _leaves(source: Source) -> Iterator[Source]:
    """The sources that list files themselves."""
    if isinstance(source, Joined):
        for inner in source.sources:
            yield from _leaves(inner)
    elif isinstance(source, Part):
        yield from _leaves(source.source)
    else:
        yield source


def _missing(roles: Mapping[str, Source], *, data_dir: Path) -> list[Missing]:
    """Published sets whose folder is absent or empty, each once."""
    found: dict[Path, Missing] = {}
    for leaf in (leaf for source in roles.values() for leaf in _leaves(source)):
        if isinstance(leaf, Folder) and is_absent(leaf.root):
            entry = published(leaf.root, data_dir=data_dir)
            if entry is not None:
                found[leaf.root] = Missing(entry=entry, root=leaf.root)
    return list(found.values())


def _report(
    data: SRData, roles: Mapping[str, Source], outcome: Outcome, *, data_dir: Path, decode: bool
) -> Report:
    """Look at everything that is there."""
    report = Report(notes=list(outcome.told), problems=list(outcome.problems))
    holdings: dict[str, Holding] = {}
    used: dict[str, list[Item]] = {}
    for role, source in roles.items():
        leaves = [_hold(leaf, role, holdings, report, data_dir=data_dir) for leaf in _leaves(source)]
        if all(leaves):
            try:
                used[role] = source.items()
            except ValueError as error:
                report.problems.append(str(error))
    seen: dict[Path, Look] = {}
    for holding in holdings.values():
        seen |= _look(holding, seen, channels=data.channels, decode=decode)
        add_holding(report, holding, seen, decoded=decode)
    for role, items in used.items():
        add_role(report, role, items, seen, scale=data.scale, patch_size=data.patch_size)
    add_leaks(report, used, seen)
    report.problems = list(dict.fromkeys(report.problems))
    report.warnings = list(dict.fromkeys(report.warnings))
    return report


def _hold(leaf: Source, role: str, holdings: dict[str, Holding], report: Report, *, data_dir: Path) -> bool:
    """Note what a folder holds and what for; False where it cannot be listed, which is told."""
    entry, name, whole = None, "demo photographs", leaf
    if isinstance(leaf, Folder):
        entry = published(leaf.root, data_dir=data_dir)
        name = entry.name if entry is not None else str(leaf.root)
        if entry is not None:
            if is_absent(leaf.root):
                return False  # told by whoever could not get it
            whole = Folder(root=str(leaf.root), scale=leaf.scale)  # all of it, whatever part a run takes
    elif isinstance(leaf, Paired):
        name = f"{leaf.gt} and {leaf.lq}"
    try:
        items = whole.items()
    except (ValueError, OSError) as error:
        report.problems.append(str(error))
        return False
    holding = holdings.setdefault(name, Holding(name=name, roles=[], entry=entry, items=[]))
    known = {item.gt for item in holding.items}
    holding.items.extend(item for item in items if item.gt not in known)
    if role not in holding.roles:
        holding.roles.append(role)
    return True


def _look(holding: Holding, seen: Mapping[Path, Look], *, channels: int, decode: bool) -> dict[Path, Look]:
    """Look at the files of a holding that were not looked at yet."""
    files = [path for item in holding.items for path in (item.gt, item.lq) if path is not None]
    new = [path for path in files if path not in seen]
    return {look.path: look for look in look_at(new, channels=channels, decode=decode, title=holding.name)}
