"""The three ways of saying which images are meant."""

from sr_experiments.data.shards import Sharded
from sr_experiments.data.sources import Folder, Paired, Source, divided

Folders = tuple[str | None, str | None]  # of gt and lq


def choose_sources(
    *,
    given: tuple[Source | None, Source | None],
    root: str | None,
    val_root: str | None,
    pairs: Folders,
    val_pairs: Folders,
    held_out: int,
    scale: int,
) -> tuple[Source, Source]:
    """Training and validation images; see `SRData` for the arguments.

    Raises:
        ValueError: If none of the ways is chosen, or several, or one of two folders of pairs is missing.
    """
    train, val = given
    ways = {
        "train": train is not None or val is not None,
        "root": root is not None or val_root is not None,
        "gt and lq": any(folder is not None for folder in (*pairs, *val_pairs)),
    }
    chosen = [name for name, is_given in ways.items() if is_given]
    if len(chosen) != 1:
        ways_given = " and by ".join(f"data.{name}" for name in chosen) or "nothing"
        raise ValueError(
            f"training images are given by {ways_given}; choose one: data=folder data.root=FOLDER, "
            "data=paired data.gt=FOLDER data.lq=FOLDER, or a data set such as data=div2k"
        )
    if root is not None:
        train = Folder(root=root, scale=scale)
    if val_root is not None:
        val = Folder(root=val_root, scale=scale)
    if ways["gt and lq"]:
        train, val = _paired(pairs, scale=scale), _paired(val_pairs, scale=scale, prefix="val_")
    if train is None:
        raise ValueError(
            "validation images are given, but no training images: data.root=FOLDER, or data.gt and data.lq"
        )
    if val is not None:
        return train, val
    if isinstance(train, Sharded):
        raise ValueError(
            "validation images are missing: a set in shards has none to hold out; data.val.root=FOLDER"
        )
    return divided(train, held_out=held_out)


def _paired(folders: Folders, *, scale: int, prefix: str = "") -> Paired | None:
    gt, lq = folders
    if (gt is None) != (lq is None):
        raise ValueError(f"data.{prefix}gt={gt} and data.{prefix}lq={lq}: pairs need both folders")
    return None if gt is None or lq is None else Paired(gt=gt, lq=lq, scale=scale)
