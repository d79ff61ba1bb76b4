"""``task=degrade``: training samples as a run gets them, with every value that was drawn for them."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from sr_experiments.build import build_data
from sr_experiments.data.datamodule import SRData
from sr_experiments.imaging.io import to_uint8, write_png
from sr_experiments.imaging.ledger import Ledger, Value
from sr_experiments.tasks.gallery import Specimen, gallery
from sr_experiments.tasks.record import RunRecord
from sr_experiments.written import write_json

_log = logging.getLogger(__name__)
PICTURE, VALUES = "samples.png", "samples.json"


@dataclass(frozen=True)
class Asked:
    """Which samples are wanted.

    Attributes:
        seed: Of the run.
        positions: In its stream.
        prescribed: For each what was decided, if it is not to be drawn.
        images: For each the name of its image, if that is known.
    """

    seed: int
    positions: list[int]
    prescribed: list[dict[str, Value]]
    images: list[str]


def degrade(
    config: DictConfig,
    run_dir: Path,
    *,
    first: int = 0,
    samples: int = 16,
    values: str | None = None,
    sample: int | None = None,
) -> None:
    """Write `samples.png`, `samples.json`, and gt and lq of each as files, into the run's folder.

    Args:
        config: Composed and checked.
        run_dir: The run's folder.
        first: Position of the first sample.
        samples: How many there are.
        values: A `samples.json`, edited or not: positions, seed and what was decided come from there.
        sample: Which of its samples; None: all of them.

    Raises:
        ValueError: If a value is not one that can be meant.
    """
    if first < 0 or samples < 1:
        raise ValueError(f"task.first={first} and task.samples={samples} must be at least 0 and 1")
    if values is None and sample is not None:
        raise ValueError(f"task.sample={sample} is one of task.values=FILE; task.first= starts elsewhere")
    with RunRecord(run_dir / "run.json", task="degrade") as record:
        asked = Asked(int(config.seed), list(range(first, first + samples)), [], [])
        if values is not None:
            asked = _read(Path(values).expanduser(), sample)
        data = _opened(config, seed=asked.seed)
        ledger = Ledger(asked.prescribed)
        positions = torch.tensor(asked.positions, dtype=torch.int64)
        batch = data.finish({}, positions, ledger=ledger)
        if unknown := ledger.unknown():
            raise ValueError(f"{values}: nothing of this data and degradation is called {', '.join(unknown)}")
        every = data.image_names("train")
        names = [every[int(page["image"])] for page in ledger.pages]
        _refuse_other_images(asked.images, names)
        _write(run_dir, asked, names, ledger.pages, batch, config)
        record.update(samples=len(names), seed=asked.seed)
    print(f"picture  {run_dir / PICTURE}\nvalues   {run_dir / VALUES}")


def _opened(config: DictConfig, *, seed: int) -> SRData:
    """The data module; nothing is decoded but what is looked at."""
    config = config.copy()
    OmegaConf.update(config, "data.seed", seed)
    OmegaConf.update(config, "data.cache", "none")
    data = build_data(config)
    data.setup("look")
    return data


def _read(path: Path, sample: int | None) -> Asked:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        seed = int(content["seed"])
        positions = [int(entry["position"]) for entry in content["samples"]]
        values: list[dict[str, Value]] = [dict(entry["values"]) for entry in content["samples"]]
        images = [str(entry["image"]) for entry in content["samples"]]
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(
            f"{path} is no {VALUES} of task=degrade: {where} is no JSON ({error.msg})"
        ) from error
    except KeyError as error:
        raise ValueError(f"{path} is no {VALUES} of task=degrade: it has no {error.args[0]!r}") from error
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is no {VALUES} of task=degrade: {error}") from error
    if sample is None:
        return Asked(seed, positions, values, images)
    if not 0 <= sample < len(positions):
        raise ValueError(f"task.sample={sample}: {path} has samples 0 to {len(positions) - 1}")
    only = slice(sample, sample + 1)
    return Asked(seed, positions[only], values[only], images[only])


def _refuse_other_images(expected: Sequence[str], found: Sequence[str]) -> None:
    for number, (one, other) in enumerate(zip(expected, found, strict=False)):
        if one != other:
            raise ValueError(
                f"sample {number} was of the image {one}, but this data has {other} in its place; "
                "choose the data= that the values were drawn from"
            )


def _write(
    run_dir: Path,
    asked: Asked,
    names: Sequence[str],
    pages: Sequence[Mapping[str, Value]],
    batch: Mapping[str, torch.Tensor],
    config: DictConfig,
) -> None:
    entries: list[dict[str, Any]] = []
    specimens = []
    lq_key = "lq" if "lq" in batch else "enlarged"
    for number, (position, name, page) in enumerate(zip(asked.positions, names, pages, strict=True)):
        gt, lq = batch["gt"][number], batch[lq_key][number]
        entries.append({"position": position, "image": name, "values": dict(page)})
        specimens.append(Specimen(gt=gt, lq=lq, title=f"{number}: {name}, position {position}", values=page))
        for key, image in (("gt", gt), ("lq", lq)):
            _write_bands(run_dir / "images" / f"{number:03d}-{key}.png", image)
    content = {
        "seed": asked.seed,
        "scale": int(config.scale),
        "data": config.data.name,
        "degradation": OmegaConf.to_container(config.degradation, resolve=True),
        "samples": entries,
    }
    write_json(run_dir / VALUES, content)
    write_png(run_dir / PICTURE, gallery(specimens))


def _write_bands(path: Path, image: torch.Tensor) -> None:
    """A PNG holds one or three channels; of more bands the first is shown."""
    path.parent.mkdir(exist_ok=True)
    write_png(path, to_uint8(image if image.shape[0] in (1, 3) else image[:1]))
