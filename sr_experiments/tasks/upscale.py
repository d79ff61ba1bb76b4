"""``task=upscale``: photographs and videos, enlarged."""

import errno
import hashlib
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from sr_experiments.imaging.io import image_size
from sr_experiments.imaging.picture import read_picture, write_picture
from sr_experiments.imaging.video.writer import Encoding
from sr_experiments.mistakes import user_message
from sr_experiments.models.base import count_parameters
from sr_experiments.paths import shown
from sr_experiments.rebuild import weights_of
from sr_experiments.restorer import Restorer, open_restorer
from sr_experiments.tasks.record import RunRecord
from sr_experiments.upscale.compare import NAME as COMPARISON
from sr_experiments.upscale.compare import Gallery
from sr_experiments.upscale.guides import Guides, guides_for, read_guide
from sr_experiments.upscale.inputs import Inputs, find_inputs
from sr_experiments.upscale.journal import Journal
from sr_experiments.upscale.measured import Measuring, looks_measured, pixels_of
from sr_experiments.upscale.names import SAME, check_names, place_of, refuse_one_name_for_two
from sr_experiments.upscale.progress import Pixels
from sr_experiments.upscale.restore import Alpha, enlarge
from sr_experiments.upscale.summary import rows, tell
from sr_experiments.upscale.video import VideoOptions, Videos, is_video

_log = logging.getLogger(__name__)
_HOPELESS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # no other image would fare better


@dataclass(frozen=True)
class _Job:
    """One image or video.

    Attributes:
        source: The file.
        relative: Its place below the input.
        place: Of the result, below the output.
        pixels: Of the input, of all frames of a video; 0 where its header can not be read.
        measured: Whether it holds measured values rather than a picture.
    """

    source: Path
    relative: Path
    place: Path
    pixels: int
    measured: bool


def upscale(
    config: DictConfig,
    run_dir: Path,
    *,
    input: str | None = None,
    guide: str | None = None,
    output: str | None = None,
    checkpoint: str | None = None,
    scale: int | None = None,
    format: str = "png",
    name: str = "{stem}_x{scale}",
    quality: int = 95,
    alpha: Alpha = "bicubic",
    self_ensemble: bool = False,
    tile: int | None = None,
    tile_overlap: int | None = None,
    compare: bool = False,
    overwrite: bool = False,
    range: Sequence[float] | None = None,
    axis: str = "axial",
    video: VideoOptions | None = None,
) -> None:
    """Enlarge images and videos into `output`. The run's folder gets `run.json` and `files.csv`.

    Args:
        config: As composed; its net is that of plain weight files, ``trainer`` names the device.
        run_dir: The run's folder.
        input: A file, a folder, or a glob.
        guide: For a net that takes one: a file, or a folder with the input's tree and names.
        output: A folder, in which the input's tree is kept.
        checkpoint: A run's folder, a checkpoint, a plain weight file, an ONNX file; None for a net without
            weights.
        scale: Of super-resolution; None for the run's or the file's own.
        format: Of the results.
        name: Of the results, a pattern.
        quality: Of JPEG and WebP.
        alpha: How alpha is enlarged.
        self_ensemble: Mean over eight orientations.
        tile: Side of the tiles; None: chosen by the free memory, 0: none.
        tile_overlap: What they see around them; None: chosen.
        compare: Leave a page with bicubic and the results under a slider.
        overwrite: Make results anew that are there.
        range: Of files of measured values; see `Measuring`.
        axis: See there.
        video: How videos are written.

    Raises:
        ValueError: If an option is impossible, or a file could not be restored: after all others were.
        OSError: If there is nothing to read, or nothing can be written.
    """
    _check(name, format, quality)
    measuring = Measuring(range, axis)
    inputs, folder = _files(input, output, guide)
    given: dict[str, Any] = {"input": input, "guide": guide, "output": output, "source": checkpoint}
    with RunRecord(run_dir / "run.json", task="upscale", **given) as record:
        tiles = {"tile": tile, "tile_overlap": tile_overlap}
        restorer = open_restorer(config, checkpoint, scale=scale, self_ensemble=self_ensemble, **tiles)
        guides = guides_for(restorer, guide, count=len(inputs.files), output=folder)
        record.update(**_facts(restorer))
        videos = Videos(restorer, Encoding(**(video or {})))
        jobs = _jobs(inputs, name=name, kind=format, videos=videos)
        settings = _settings(restorer, checkpoint)
        of_images = {"format": format, "quality": quality, "alpha": alpha, **measuring.settings()}
        worker = _Worker(
            folder,
            restorer,
            Journal(folder, settings=settings | of_images),
            (videos, Journal(folder, settings=settings | videos.settings())),
            measuring=measuring,
            guides=guides,
            quality=quality,
            alpha=alpha,
            options=(overwrite, compare),
        )
        outcome = _work(jobs, worker, run_dir / "files.csv")
        _note(record, restorer, outcome)
        tell(outcome, restorer, folder, inputs, run_dir)


def _check(name: str, kind: str, quality: int) -> None:
    check_names(name, kind)
    if not 1 <= quality <= 100:
        raise ValueError(f"quality={quality}: must be from 1 to 100")


def _files(given: str | None, output: str | None, guide: str | None) -> tuple[Inputs, Path]:
    """What is read, and the folder to which is written."""
    if given is None or output is None:
        raise ValueError("task=upscale needs input=PHOTO_OR_FOLDER and output=FOLDER")
    folder = Path(output).expanduser()
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"output={output} is a file; give a folder")
    aside = Path(guide).expanduser() if guide is not None else None
    return find_inputs(given, output=folder, guide=aside), folder


def _facts(restorer: Restorer) -> dict[str, Any]:
    facts = {"model": restorer.name, "scale": restorer.scale, "channels": restorer.channels}
    return {**facts, "parameters": count_parameters(restorer.net), "device": str(restorer.device)}


def _note(record: RunRecord, restorer: Restorer, outcome: dict[Path, tuple[str, str]]) -> None:
    for note in restorer.notes:
        record.note(note)
    record.update(images=dict(Counter(status for status, _ in outcome.values())))


def _settings(restorer: Restorer, checkpoint: str | None) -> dict[str, Any]:
    """What decides about a result but input and format. Tiles do not count: nobody should see them."""
    return {
        "model": restorer.name,
        "weights": _digest(checkpoint),
        "scale": restorer.scale,
        "self_ensemble": restorer.self_ensemble,
        "bfloat16": restorer.bfloat16,
        **({"holes": True} if restorer.holes else {}),
    }


def _jobs(inputs: Inputs, *, name: str, kind: str, videos: Videos) -> list[_Job]:
    facts: dict[str, Any] = {"name": name, "scale": videos.restorer.scale, "model": videos.restorer.name}
    suffixes = [videos.suffix(source) if is_video(source) else None for source, _ in inputs.files]
    measured = [looks_measured(source) for source, _ in inputs.files]
    places = [
        (relative, place_of(relative, kind=SAME if is_one else kind, suffix=suffix, **facts))
        for (_, relative), is_one, suffix in zip(inputs.files, measured, suffixes, strict=True)
    ]
    if any(suffixes):
        videos.check()
    refuse_one_name_for_two(places, name=name)
    return [
        _Job(source, relative, place, pixels_of(source) if is_one else _pixels(source, videos), is_one)
        for (source, relative), (_, place), is_one in zip(inputs.files, places, measured, strict=True)
    ]


def _pixels(source: Path, videos: Videos) -> int:
    """By its header; a file that has none is told about when it is its turn."""
    try:
        if is_video(source):
            return videos.pixels(source)
        height, width = image_size(source)
    except (OSError, ValueError):
        return 0
    return height * width


def _digest(checkpoint: str | None) -> str | None:
    """Of the weights: the same name may hold others tomorrow."""
    if checkpoint is None:
        return None
    path = Path(checkpoint).expanduser()
    if path.suffix.lower() != ".onnx":
        path = weights_of(checkpoint, option="checkpoint")
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


class _Worker:
    """Restores one file after the other."""

    def __init__(
        self,
        folder: Path,
        restorer: Restorer,
        journal: Journal,
        videos: tuple[Videos, Journal],
        *,
        measuring: Measuring,
        guides: Guides | None,
        quality: int,
        alpha: Alpha,
        options: tuple[bool, bool],
    ) -> None:
        self.folder, self.restorer, self.journal = folder, restorer, journal
        self.videos, self.journal_of_videos = videos
        self.measuring, self.guides = measuring, guides
        self.quality, self.alpha = quality, alpha
        self.overwrite, compares = options
        self.gallery = Gallery() if compares else None

    def __call__(self, job: _Job, bar: Pixels) -> tuple[str, str]:
        """What became of it, done, skipped or failed, and what there is to say about that."""
        target = self.folder / job.place
        journal = self.journal_of_videos if is_video(job.source) else self.journal
        try:
            guide = self._guide(job)
            if target.exists() and not self.overwrite:
                if journal.is_done(job.source, job.place, guide):
                    return "skipped", ""
                why = journal.was_otherwise(job.place)
                raise FileExistsError(f"{target} is there already and {why}; overwrite=true replaces it")
            said = self._restored(job, target, guide, bar)
            journal.add(job.source, job.place, guide)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _HOPELESS:
                raise
            told = user_message(error)
            if told is None:
                _log.exception("%s: a fault of the program", job.source)
                told = f"a fault of the program, please report it: {type(error).__name__}: {error}"
            return "failed", told
        return "done", said

    def _guide(self, job: _Job) -> Path | None:
        if self.guides is None:
            return None
        if is_video(job.source):
            raise ValueError(f"a video is restored without a guide, and {self.restorer.name} takes one")
        return self.guides.find(job.relative)

    def _restored(self, job: _Job, target: Path, guide: Path | None, bar: Pixels) -> str:
        """Write the result of an image; what there is to say about it."""
        name = str(job.relative)

        def advance(share: float) -> None:
            bar.at(name, share * job.pixels)

        beside = None
        if guide is not None:
            beside = partial(read_guide, guide, source=job.source, restorer=self.restorer)
        if is_video(job.source):
            return "; ".join(self.videos.enlarge(job.source, target, advance=advance))
        if job.measured:
            return self.measuring.enlarge(job.source, target, self.restorer, guide=beside, advance=advance)
        picture = read_picture(job.source)
        tensor = None if beside is None else beside(picture.pixels.shape[:2])
        larger = enlarge(picture, self.restorer, alpha=self.alpha, guide=tensor, advance=advance)
        lost = write_picture(target, larger, quality=self.quality)
        if self.gallery is not None:
            self.gallery.add(name, picture, larger, scale=self.restorer.scale)
        return f"{target.suffix} does not hold {' and '.join(lost)}" if lost else ""


def _work(jobs: list[_Job], worker: _Worker, table: Path) -> dict[Path, tuple[str, str]]:
    """All images; each is a row of the table as soon as it is done."""
    outcome: dict[Path, tuple[str, str]] = {}
    worker.folder.mkdir(parents=True, exist_ok=True)
    with rows(table) as write, Pixels(images=len(jobs), pixels=sum(job.pixels for job in jobs)) as bar:
        for job in jobs:
            started = time.monotonic()
            bar.at(str(job.relative), 0)
            status, said = outcome[job.relative] = worker(job, bar)
            bar.end(job.pixels)
            row = {"input": job.source, "output": worker.folder / job.place, "status": status}
            write({**row, "reason": said, "seconds": round(time.monotonic() - started, 3)})
    if worker.gallery is not None:
        page, restorer = worker.folder / COMPARISON, worker.restorer
        worker.gallery.write(page, model=restorer.name, scale=restorer.scale)
        print(f"compare  {shown(page)}")
    return outcome
