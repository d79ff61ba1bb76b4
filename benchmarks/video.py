"""What training for coded video gains on coded video: frames of H.264 at x4, by two nets and by bicubic.

    python benchmarks/video.py
    python benchmarks/video.py --crf 23 30 36 --run runs/video trainer.max_time=00:00:10:00

Trains `experiment=video_x4`, and the same net on `degradation=bicubic`, on the demo's photographs. Then a
camera moves over the two photographs that are held out; its frames are shrunk by MATLAB's bicubic, coded by
libx264 as a stream, and read back. `task=evaluate` measures both nets on them, `psnr_y` by the usual
protocol. `--run FOLDER` keeps everything, and what is there is not trained again. What stands behind the
options goes to both trainings. Needs the extra `video`.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import torch
from trains import parsed, parser_of, run

from sr_experiments.data.demo import Demo
from sr_experiments.imaging.io import read_image, write_png
from sr_experiments.imaging.resize import imresize_uint8

SCALE = 4
NETS = {"on video": "video", "on bicubic": "bicubic"}
FRAMES, EVERY, STEP = 24, 4, 3  # of a film; those that are measured; pixels of gt between two frames
SIDE = 288


def film(image: np.ndarray) -> list[np.ndarray]:
    """(SIDE, SIDE, 3) uint8 each: a window that moves to the right and downwards."""
    down = min(STEP, (image.shape[0] - SIDE) // FRAMES)
    return [image[n * down : n * down + SIDE, n * STEP : n * STEP + SIDE] for n in range(FRAMES)]


def shrunk(image: np.ndarray) -> np.ndarray:
    """As MATLAB does it."""
    planes = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
    return imresize_uint8(planes, scale=1 / SCALE).permute(1, 2, 0).contiguous().numpy()


def coded(frames: Sequence[np.ndarray], path: Path, *, crf: int) -> list[np.ndarray]:
    """What is left of frames in a file of H.264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(crf)})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def make_pairs(folder: Path, crf: int) -> float:
    """Write `gt` and `lq` of both films; kilobits a second of the streams, at 25 frames."""
    folder.mkdir(parents=True, exist_ok=True)
    size = 0
    for item in Demo(names=["chelsea", "coffee"]).items():
        gt = film(read_image(item.gt))
        small = [shrunk(one) for one in gt]
        path = folder / f"{item.name}.mp4"
        back = coded(small, path, crf=crf)
        assert len(back) == FRAMES
        size += path.stat().st_size
        for number in range(EVERY - 1, FRAMES, EVERY):
            for part, images in (("gt", gt), ("lq", back)):
                write_png(folder / part / f"{item.name}-{number:02d}.png", images[number])
    return size * 8 / 1000 / (2 * FRAMES / 25)


def measured(folder: Path, checkpoint: Path, output: Path) -> dict[str, float]:
    """`psnr_y` of a net and of bicubic over a folder's pairs."""
    pairs = [f"data.val_gt={folder / 'gt'}", f"data.val_lq={folder / 'lq'}"]
    pairs += [f"data.gt={folder / 'gt'}", f"data.lq={folder / 'lq'}"]
    run("task=evaluate", f"checkpoint={checkpoint}", "data=paired", *pairs, f"hydra.run.dir={output}")
    (found,) = json.loads((output / "run.json").read_text(encoding="utf-8"))["evaluations"]
    return {"net": found["metrics"]["psnr_y"], "bicubic": found["bicubic"]["psnr_y"]}


def report(folder: Path, crfs: Sequence[int], arguments: Sequence[str]) -> list[str]:
    """Train what is missing, measure, a row for each quality."""
    for degradation in NETS.values():
        run(f"run={folder / degradation}", "experiment=video_x4", f"degradation={degradation}", *arguments)
    told = [f"| crf | kbit/s | bicubic | {' | '.join(f'net trained {name}' for name in NETS)} |"]
    told.append("|" + "---:|" * (3 + len(NETS)))
    for crf in crfs:
        pairs = folder / f"crf{crf}"
        rate = make_pairs(pairs, crf)
        found = [measured(pairs, folder / one, pairs / f"evaluated-{one}") for one in NETS.values()]
        numbers = [found[0]["bicubic"], *(one["net"] for one in found)]
        told.append(f"| {crf} | {rate:.0f} | {' | '.join(f'{one:.2f}' for one in numbers)} |")
    return told


def main() -> None:
    """Read the command line, train, print."""
    parser = parser_of(__doc__)
    parser.add_argument("--crf", type=int, nargs="+", default=[23, 30, 36])
    options, arguments = parsed(parser)
    with tempfile.TemporaryDirectory() as place:
        print("\n".join(report(options.run or Path(place), options.crf, arguments)))


if __name__ == "__main__":
    main()
