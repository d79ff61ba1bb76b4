"""``task=convert``: DICOM, NIfTI and GeoTIFF become images that train, over a stated range of values."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from sr_experiments.imaging.span import Span
from sr_experiments.prepare.convert import Converted, convert_files, find_measured
from sr_experiments.tasks.record import RunRecord


def convert(
    config: DictConfig,
    run_dir: Path,
    *,
    input: str | None = None,
    output: str | None = None,
    range: Sequence[float] | None = None,
    window: Sequence[float] | None = None,
    axis: str = "axial",
    tile: int | None = None,
    held_out: float = 0.2,
    skip: bool = False,
) -> None:
    """Write ``output/train`` and ``output/val``; the run's folder gets ``run.json``, which names no file.

    Args:
        config: As composed.
        run_dir: The run's folder.
        input: A file, or a folder with all its folders.
        output: A folder.
        range: [low, high], what black and white stand for; None: what the files state, where they agree.
        window: [center, width] in place of it: only what the window shows.
        axis: Of slices: axial, coronal, sagittal.
        tile: Side of tiles; None: whole planes.
        held_out: Share of persons, volumes or scenes for validation.
        skip: Leave out files that cannot be used.

    Raises:
        ValueError: If an option is impossible, or files cannot be used.
        OSError: If there is nothing to read, or nothing can be written.
    """
    if input is None or output is None:
        raise ValueError("task=convert needs input=FILE_OR_FOLDER and output=FOLDER")
    if range is not None and window is not None:
        raise ValueError("range= and window= say the same in two ways: give one of them")
    if tile is not None and tile < 1:
        raise ValueError(f"task.tile={tile}: must be 1 or more")
    span = None if range is None else Span.of(range, option="range")
    span = span if window is None else Span.of_window(window, option="window")
    folder = Path(output).expanduser()
    with RunRecord(run_dir / "run.json", task="convert") as record:
        paths = find_measured(Path(input).expanduser())
        made = convert_files(paths, folder, span=span, axis=axis, tile=tile, held_out=held_out, skip=skip)
        record.update(images=made.images, bodies=made.bodies, range=made.span.as_list(), cut_off=made.outside)
        _tell(made, folder)


def _tell(made: Converted, folder: Path) -> None:
    low, high = made.span.as_list()
    for role in ("train", "val"):
        if made.images.get(role):
            print(f"{role:<8} {made.images[role]} images of {made.channels} band(s) in {folder / role}")
    print(
        f"range    {low:g} to {high:g}; {100 * made.outside:.3g} % of the values lie outside and were cut off"
    )
    if made.window is not None:
        center, width = made.window
        print(
            f"window   the files ask for [{center:g},{width:g}], which shows {center - width / 2:g} to "
            f"{center + width / 2:g}"
        )
    if made.flat:
        print(f"left out {made.flat} slices or tiles that hold one value only, or a hole")
    for problem in made.skipped:
        print(f"skipped  {problem}")
    choice = "medical_x2" if made.channels == 1 else f"satellite_x2 channels={made.channels}"
    val = f" data.val_root={folder / 'val'}" if made.images.get("val") else ""
    print(f"train    experiment={choice} data.root={folder / 'train'}{val} 'data.range=[{low:g},{high:g}]'")
