"""The formats, where a file goes, and writing weights whole or not at all."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import safetensors.torch
import torch
from torch import Tensor

from sr_experiments.imaging.io import whole_file

Format = Literal["safetensors", "pth", "onnx", "torch_export"]
SUFFIXES: dict[Format, str] = {
    "safetensors": ".safetensors",
    "pth": ".pth",
    "onnx": ".onnx",
    "torch_export": ".pt2",
}


def formats_of(given: str | Sequence[str] | None, output: str | None) -> list[Format]:
    """What is written: what is asked for, else what the output's name says, else safetensors.

    Raises:
        ValueError: if there is no such format, or the output's name says another.
    """
    suffix = Path(output).suffix if output is not None else ""
    by_suffix: dict[str, Format] = {end: name for name, end in SUFFIXES.items()}
    asked = [given] if isinstance(given, str) else list(given or [])
    for name in asked:
        if name not in get_args(Format):
            raise ValueError(f"format={name}: choose of {', '.join(get_args(Format))}")
    found: list[Format] = [name for name in SUFFIXES if name in asked]
    if not suffix or (output is not None and Path(output).expanduser().is_dir()):
        return found or ["safetensors"]
    if suffix not in by_suffix:
        raise ValueError(
            f"output={output}: a file ends in {', '.join(SUFFIXES.values())}; a folder has no ending"
        )
    if found and found != [by_suffix[suffix]]:
        raise ValueError(
            f"output={output} is one file, of {by_suffix[suffix]}, and format={','.join(found)}; for several "
            "give a folder"
        )
    return [by_suffix[suffix]]


def places_of(
    formats: Sequence[Format], output: str | None, *, folder: Path, stem: str, overwrite: bool
) -> tuple[dict[Format, Path], Path]:
    """A path for each format, and the card's.

    Args:
        formats: As `formats_of` says.
        output: A file, a folder, or None for `folder`.
        folder: Of the task.
        stem: What files are called where only a folder is given.
        overwrite: Whether what is there may be replaced.

    Raises:
        FileExistsError: if something is there already.
    """
    path = folder if output is None else Path(output).expanduser()
    if path.suffix and not path.is_dir():
        places, card = {formats[0]: path}, path.with_name(f"{path.name}.md")
    else:
        places = {name: path / f"{stem}{SUFFIXES[name]}" for name in formats}
        card = path / "model_card.md"
    for place in [*places.values(), card]:
        if place.exists() and not overwrite:
            raise FileExistsError(f"output={place} is there already; overwrite=true replaces it")
    return places, card


def write_weights(path: Path, state: Mapping[str, Tensor], facts: Mapping[str, str]) -> None:
    """Write a weight file whole or not at all.

    Args:
        path: Ends in .safetensors or .pth.
        state: Key -> tensor.
        facts: The metadata of a .safetensors file.

    Raises:
        OSError: if it can not be written.
    """
    assert path.suffix in (".safetensors", ".pth")
    # Each tensor on its own: safetensors takes no two that share memory, and no views.
    plain = {
        key: value.detach().cpu().clone(memory_format=torch.contiguous_format) for key, value in state.items()
    }
    with whole_file(path) as stream:
        if path.suffix == ".pth":
            torch.save(plain, stream)
        else:
            stream.write(safetensors.torch.save(plain, dict(facts)))
