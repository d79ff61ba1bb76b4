"""What a run leaves for others to read: written whole or not at all and without secrets, and read again."""

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sr_experiments.imaging.beside import beside
from sr_experiments.secret import redacted, redacted_all

ENDED_EARLY = "training ended after"
"""How a note of run.json begins that says which limit ended a training before its last step."""
_BATCHES = re.compile(rf"{ENDED_EARLY} (\d+) of ")


def early_ends(record: Mapping[str, Any]) -> list[str]:
    """Notes of a run.json on a limit that ended the training: its figures are not those of a whole run."""
    return [note for note in map(str, record.get("notes") or []) if note.startswith(ENDED_EARLY)]


def told_of_early_ends(notes: Sequence[str], *, runs: int) -> str:
    """A sentence for whoever compares them; empty if there are no `notes` of so many runs."""
    if not notes:
        return ""
    few, others = f"{len(notes)} of {runs} runs were ended before their last step", "the others"
    if len(notes) == runs:
        few, others = f"all {runs} runs were ended before their last step", "any other"
    found = [_BATCHES.search(note) for note in notes]
    batches = sorted({int(one[1]) for one in found if one is not None})
    if len(batches) < 2:
        return f"{few}, and do not compare with {others}: {notes[0]}"
    why = notes[0].partition(" batches: ")[2]
    span = f"after {batches[0]} to {batches[-1]} batches"
    return f"{few}, {span}, and do not compare with one another: {why}"


def write_text(path: Path, text: str) -> None:
    """Write whole or not at all, and without secrets."""
    with beside(path) as temporary:
        temporary.write_text(redacted(text), encoding="utf-8", newline="")


def write_json(path: Path, content: Any) -> None:
    """The same of JSON. Infinity and NaN, which it does not have, become text.

    Secrets are taken out of the values: one with a quote or a line break in it is another text in JSON.
    """
    plain = redacted_all(_plain(content))
    write_text(path, json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """The same of a table: a column for each key that any row has, in the order in which they are met."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    writer.writerows(redacted_all(list(rows)))
    write_text(path, text.getvalue())


def config_text(config: DictConfig) -> str:
    """A config as YAML, resolved and without secrets.

    They are taken out of the values: one that YAML must quote is another text there.
    """
    return OmegaConf.to_yaml(OmegaConf.create(redacted_all(OmegaConf.to_container(config, resolve=True))))


def read_json(path: Path) -> dict[str, Any]:
    """What a file such as ``run.json`` says; nothing where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
