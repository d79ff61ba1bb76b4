"""The README's table of nets: ``python docs/site/nets.py`` prints it, ``--write`` puts it where it stands.

Parameters and multiply-adds are counted on the nets that the configs build. What a recipe should reach is in
``sr_experiments/report/published.csv``, or else in the recipe's own comment; what was reached here is in
``docs/measured.csv``, and docs/results.md has the commands. A test holds the README to this.
"""

import argparse
import csv
import re
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from sr_experiments.config import register
from sr_experiments.metrics.protocol import protocol_of_config
from sr_experiments.models.cost import multiply_adds
from sr_experiments.rebuild import build_net
from sr_experiments.report.published import table as published
from sr_experiments.report.words import count

ROOT = Path(__file__).resolve().parent.parent.parent
README = ROOT / "README.md"
BEGIN, END = "<!-- nets: begin -->\n", "<!-- nets: end -->\n"
BENCHMARK = "set5"
DASH = "-"
COLUMNS = ("recipe or net", "params", "mult-adds", "paper", "trained here", "authors' weights")
# Recipes that no paper has: docs/fields/.
FIELDS = ("guided_disparity_x8", "medical_x2", "satellite_x2", "video_x4")
# Nets without parameters; of two images, round another net, told by a file, and what all models share.
OTHERS = (
    *("nearest", "bilinear", "bicubic", "lanczos", "spectrum"),
    *("guided", "noisy", "recognised", "restoration"),
)


def names() -> list[str]:
    """What is typed for every recipe of a paper, then for every net that none of them trains."""
    recipes = {path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml")} - set(FIELDS)
    nets = {path.stem for path in (ROOT / "conf" / "model").glob("*.yaml")} - set(OTHERS)
    nets -= {composed(f"experiment={name}")[0] for name in recipes}
    luma = {model for model, _, _, protocol in published() if protocol == "luma"}  # of which x3 is published
    return [
        *(f"experiment={name}" for name in sorted(recipes)),
        *(f"model={name}{' channels=1 scale=3' if name in luma else ''}" for name in sorted(nets)),
    ]


@cache
def composed(typed: str) -> tuple[str, DictConfig]:
    """The model's name, as a run has it, and the config of a command line."""
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", overrides=["name=table", *typed.split()], return_hydra_config=True)
    return str(config.hydra.runtime.choices.model).replace("/", "-"), config


def sizes(typed: str) -> list[str]:
    """Parameters and multiply-adds of its net, as text."""
    net = build_net(composed(typed)[1].net)
    parameters = sum(parameter.numel() for parameter in net.parameters())
    return [count(parameters), count(multiply_adds(net))]


def figures(typed: str) -> list[str]:
    """Set5's PSNR as text: of the paper, of a run here, of the authors' weights here."""
    model, config = composed(typed)
    scales = [int(scale) for scale in config.data.get("scales") or [config.scale]]
    recipe = typed.removeprefix("experiment=")
    if config.get("discriminator") is not None:  # the net's own figures are those of the training before
        return [_decibels([_in_comment(recipe)]), _measured(recipe, scales, "trained"), DASH]
    protocol = protocol_of_config(config)
    found = [published().get((model, BENCHMARK, scale, protocol)) for scale in scales]
    paper = [_in_comment(recipe) if one is None else one.psnr_y for one in found]
    return [_decibels(paper), _measured(recipe, scales, "trained"), _measured(model, scales, "authors")]


@cache
def records() -> dict[tuple[str, int, str], float]:
    """(recipe or model, scale, whose weights) -> PSNR, as measured here."""
    with (ROOT / "docs" / "measured.csv").open(newline="", encoding="utf-8") as file:
        return {
            (row["what"], int(row["scale"]), row["weights"]): float(row["psnr_y"])
            for row in csv.DictReader(file)
            if row["benchmark"] == BENCHMARK
        }


def _measured(what: str, scales: Sequence[int], weights: str) -> str:
    return _decibels([records().get((what, scale, weights)) for scale in scales])


def _decibels(values: Sequence[float | None]) -> str:
    """One figure, or one for each scale of a net that serves several; a dash where there is none."""
    found = [DASH if value is None else f"{value:.2f}" for value in values]
    return DASH if set(found) == {DASH} else " / ".join(found)


def _in_comment(recipe: str) -> float | None:
    path = ROOT / "conf" / "experiment" / f"{recipe}.yaml"
    found = re.search(r"Set5 (\d+\.\d+) dB", path.read_text(encoding="utf-8")) if path.exists() else None
    return float(found[1]) if found else None


def markdown() -> str:
    """The table."""
    lines = [f"| {' | '.join(COLUMNS)} |", f"|---|{'---:|' * (len(COLUMNS) - 1)}"]
    lines += [f"| {' | '.join([f'`{typed}`', *sizes(typed), *figures(typed)])} |" for typed in names()]
    return "\n".join(lines) + "\n"


def placed(readme: str) -> tuple[str, str, str]:
    """The README before its table, the table, and what comes after.

    Raises:
        ValueError: If the marks round the table are gone.
    """
    before, begin, rest = readme.partition(BEGIN)
    table, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"README.md lacks {BEGIN.strip()} or {END.strip()}")
    return before + begin, table.strip("\n") + "\n", end + after


def main() -> int:
    """Print the table, or put it into the README."""
    parser = argparse.ArgumentParser(description="The README's table of nets.")
    parser.add_argument("--write", action="store_true", help="into README.md, between its marks")
    if not parser.parse_args().write:
        print(markdown(), end="")
        return 0
    before, _, after = placed(README.read_text(encoding="utf-8"))
    README.write_text(f"{before}\n{markdown()}\n{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
