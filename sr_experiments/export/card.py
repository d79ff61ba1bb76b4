"""``model_card.md``: what a net is, what it reached, how its files are used; a model hub reads its head."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sr_experiments.metrics.protocol import PROTOCOLS, decimals_of, protocol_of
from sr_experiments.written import read_json

PLAIN = "a plain weight file: what it was trained on is not known here"


@dataclass(frozen=True)
class Card:
    """What the card tells.

    Attributes:
        facts: As in the files' metadata: model, scale, channels, multiple_of, minimum, weights, dtype.
        parameters: Of the net.
        files: Name -> what it is and how far its results are from the net's.
        run: What the run's run.json says; empty where there is none.
        config: The run's config; empty likewise.
        command: That measures the weights.
        notes: What a reader has to know.
    """

    facts: Mapping[str, str]
    parameters: int
    files: Mapping[str, str]
    run: Mapping[str, Any]
    config: Mapping[str, Any]
    command: str
    notes: Sequence[str] = field(default=())

    def text(self) -> str:
        """In Markdown."""
        facts = self.facts
        licence = facts.get("licence")
        tags = ["super-resolution", "image-super-resolution", f"x{facts['scale']}", facts["model"]]
        head = [
            "---",
            f"license: {json.dumps(licence or 'other')}",
            "pipeline_tag: image-to-image",
            f"tags: {json.dumps(tags)}",
            "---",
        ]
        what = _channels(facts["channels"])
        guide = (
            " Beside each image it takes a guide, the same scene by another sensor, pixel on pixel of the "
            f"result: (B, G, {facts['scale']}H, {facts['scale']}W) with {_channels(facts['guide_channels'])}"
            ", 0 is black, 1 is white."
            if "guide_channels" in facts
            else ""
        )
        parts = [
            "\n".join(head),
            f"# {facts['model']} x{facts['scale']}",
            f"Enlarges images by {facts['scale']}: (B, C, H, W) with {what}, {facts['range']}, to "
            f"(B, C, {facts['scale']}H, {facts['scale']}W), not clamped.{guide} "
            f"{self.parameters:,} parameters; weights: {facts['weights']}; {facts['dtype']}.",
            self._files(),
            self._figures(),
            self._training(),
            self._limits(),
            "## Licence\n\n"
            + (licence or "Not stated by whoever exported it (`licence=` of `task=export`)."),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    def _files(self) -> str:
        rows = [f"| `{name}` | {what} |" for name, what in self.files.items()]
        facts = self.facts
        feed = (
            "ONNX files and programs take any batch, height and width"
            + (
                f", height and width a multiple of {facts['multiple_of']}"
                if facts["multiple_of"] != "1"
                else ""
            )
            + (f", at least {facts['minimum']}" if facts["minimum"] != "1" else "")
            + ("; pad at the bottom and right and cut the result." if facts["multiple_of"] != "1" else ".")
            + (" Their inputs are `lq` and `guide`." if "guide_channels" in facts else "")
        )
        table = [
            "## Files",
            "",
            "| file | what |",
            "|---|---|",
            *rows,
            "",
            feed,
            "",
            "```",
            self.command,
            "```",
        ]
        return "\n".join(table)

    def _figures(self) -> str:
        rows = []
        for dataset, means in self.run.get("metrics", {}).items():
            bicubic = means.get("bicubic", {})
            for metric, value in means.items():
                if metric != "bicubic" and isinstance(value, int | float):
                    beside = bicubic.get(metric)
                    places = decimals_of(metric)
                    shown = f"{beside:.{places}f}" if isinstance(beside, int | float) else "-"
                    rows.append(f"| {dataset} | {metric} | {shown} | {value:.{places}f} |")
        if not rows:
            return (
                "## Figures\n\nNone: there is no run.json beside the weights; `task=evaluate` measures them."
            )
        name = protocol_of(int(self.facts["channels"]), ranged="data_range" in self.facts)
        lines = [
            "## Figures",
            "",
            "| data set | metric | bicubic | this net |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
        lines.append(f"Protocol {name}: {PROTOCOLS[name]}.")
        if self.facts["weights"].startswith("raw"):
            lines.append("They were measured with the average of the weights, and these are the raw ones.")
        if self.facts["dtype"] != "float32":
            lines.append("They were measured in float32.")
        return "\n".join(lines)

    def _training(self) -> str:
        if not self.config:
            return f"## Training\n\n{PLAIN}."
        run, config = self.run, self.config
        loss = ", ".join(f"{term['weight']:g} {name}" for name, term in config["loss"]["terms"].items())
        rows = {
            "data": config["data"]["name"],
            "degradation": str(config["degradation"]["_target_"]).rpartition(".")[2],
            "loss": loss,
            "steps": run.get("steps", "not recorded"),
            "batch": config["data"].get("batch_size"),
            "patch": f"{config['data'].get('patch_size')} (high resolution)",
            "precision": run.get("precision", config["precision"]),
            "seed": config["seed"],
            "versions": ", ".join(f"{key} {value}" for key, value in run.get("versions", {}).items()),
        }
        return "\n".join(
            ["## Training", "", "| | |", "|---|---|", *[f"| {k} | {v} |" for k, v in rows.items()]]
        )

    def _limits(self) -> str:
        degradation = str(self.config.get("degradation", {}).get("_target_", "")).rpartition(".")[2]
        notes = [*self.notes, *[note for note in self.run.get("notes", []) if note not in self.notes]]
        if degradation == "Bicubic":
            notes.append(
                "trained on images that were shrunk by MATLAB's bicubic rule; photographs with noise, blur "
                "or compression are restored less well than the figures say"
            )
        notes.append("what it adds is plausible and need not be true: no evidence, and no one's identity")
        return "\n".join(["## Limits", "", *[f"- {note}" for note in notes]])


def _channels(count: str) -> str:
    return f"{int(count)} channel{'' if count == '1' else 's'}"


def run_beside(weights: Path) -> dict[str, Any]:
    """What the run.json says of the run that a checkpoint lies in; empty where there is none."""
    return read_json(weights.parent.parent / "run.json")
