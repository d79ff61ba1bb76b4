"""What a guide gains: disparity x8 on a held-out part of a scene, by colour and without, over seeds.

    python benchmarks/guided.py
    python benchmarks/guided.py --seeds 0 1 2 3 --run runs/guided trainer.max_epochs=12

Trains `experiment=guided_disparity_x8` with its guide and with guide_channels=0, the same net that sees its
own input in the guide's place, for every seed: a sweep, which `--run FOLDER` keeps and a second call
completes. What stands behind the options goes to every run. PSNR is over the range of 64 pixels of disparity,
RMSE in pixels; both over what was measured.
"""

import json
import math
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trains import parsed, parser_of, run

WITH, WITHOUT = 3, 0
METRICS = {"psnr_16": "PSNR, dB", "rmse": "RMSE, px"}

Found = Mapping[tuple[int, int], Mapping[str, Any]]
"""(guide_channels, seed) -> what a run measured."""


def sweep(folder: Path, seeds: Sequence[int], arguments: Sequence[str]) -> Found:
    """Train what is missing in a folder; what all runs measured."""
    channels = f"guide_channels={WITH},{WITHOUT}"
    seed = f"seed={','.join(map(str, seeds))}"
    run("-m", "experiment=guided_disparity_x8", channels, seed, *arguments, f"run={folder}")
    jobs = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))["jobs"]
    found = {}
    for job in jobs:
        record = json.loads(
            (Path(folder) / Path(job["folder"]).name / "run.json").read_text(encoding="utf-8")
        )
        values = dict(entry.split("=", 1) for entry in job["overrides"])
        found[int(values["guide_channels"]), int(values["seed"])] = record
    return found


def lines(found: Found, seeds: Sequence[int]) -> list[str]:
    """A row for each seed, and their mean."""
    sizes = {channels: found[channels, seeds[0]]["parameters"] for channels in (WITH, WITHOUT)}
    told = [f"parameters: {sizes[WITH]:,} with a guide, {sizes[WITHOUT]:,} without"]
    for metric, title in METRICS.items():
        told += ["", f"{title:10} {'bicubic':>9} {'without':>9} {'guided':>9} {'gain':>9}"]
        gains = []
        for seed in seeds:
            means = {channels: found[channels, seed]["metrics"]["stereo"] for channels in sizes}
            numbers = [means[WITH]["bicubic"][metric], means[WITHOUT][metric], means[WITH][metric]]
            gains.append(numbers[2] - numbers[1])
            told.append(f"seed {seed:<5} {' '.join(f'{value:9.3f}' for value in numbers)} {gains[-1]:+9.3f}")
        spread = statistics.stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else math.nan
        told.append(f"{'mean':40} {statistics.mean(gains):+9.3f} (standard error {spread:.3f})")
    return told


def main() -> None:
    """Read the command line, train, print."""
    parser = parser_of(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options, arguments = parsed(parser)
    if min(options.seeds) < 0 or len(set(options.seeds)) < len(options.seeds):
        parser.error("--seeds are numbers of 0 or more, each once")
    with tempfile.TemporaryDirectory() as place:
        found = sweep(options.run or Path(place) / "sweep", options.seeds, arguments)
    print("\n".join(lines(found, options.seeds)))


if __name__ == "__main__":
    main()
