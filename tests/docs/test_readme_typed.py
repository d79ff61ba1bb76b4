"""Each line of the README is typed, in its order, with toy sizes, and does what it says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sr_experiments.imaging.io import write_png
from tests.conftest import ROOT
from tests.docs.readme_lines import ELSEWHERE, LINES, TRAIN, Line, lines_of, words_of
from tests.imaging.films import film
from tests.imaging.measured_files import phantom, scene, write_dicom, write_geotiff
from tests.nets.toys import build_net
from tests.tasks.runs import photographs

README = (ROOT / "README.md").read_text(encoding="utf-8")
WORKER = Path(__file__).parent / "typing_worker.py"
# What the lines of the README take for granted: a run, and a weight file of one.
BEFORE = [
    f"python -m sr_experiments data=folder data.root=PHOTOS run=RUN {TRAIN}",
    "python -m sr_experiments task=export checkpoint=RUN output=RUN.safetensors",
]


def test_every_line_is_typed_by_a_test() -> None:
    typed = {words_of(line) if words_of(line) in LINES else line for line in lines_of(README)}
    assert len(typed) > 50
    known = set(LINES) | set(ELSEWHERE)
    assert typed - known == set(), "give it a place in tests/docs/readme_lines.py"
    assert known - typed == set(), "the README has it no longer"


def test_a_test_that_is_named_is_there() -> None:
    for why in ELSEWHERE.values():
        for path in re.findall(r"tests/[\w/.]*\w", why):
            assert (ROOT / path).exists(), path


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with what names in capitals stand for in the README."""
    photographs(tmp_path / "PHOTOS", count=6, side=96)
    photographs(tmp_path / "data" / "Set5" / "HR", count=5, side=48)
    photographs(tmp_path / "data" / "Set14" / "HR", count=14, side=48)
    photographs(tmp_path / "data" / "DIV2K_valid" / "HR", count=100, side=48)
    photographs(tmp_path / "data" / "DIV2K" / "HR", count=800, side=48)
    photographs(tmp_path / "DEPTH" / "guide", count=4, side=96)
    for path in sorted((tmp_path / "DEPTH" / "guide").iterdir()):
        grey = np.linspace(0, 255, 96, dtype=np.uint8)[None, :, None].repeat(96, axis=0)
        write_png(tmp_path / "DEPTH" / "HR" / path.name, grey)
        write_png(tmp_path / "SHALLOW" / path.name, np.ascontiguousarray(grey[::4, ::4]))
    for name in ("SCANS", "SCENES"):
        (tmp_path / name).mkdir()
    for number in range(3):
        write_dicom(tmp_path / "SCANS" / f"{number}.dcm", phantom(80, 72, seed=number), PatientID=str(number))
        write_geotiff(tmp_path / "SCENES" / f"{number}.tif", scene(4, 80, 72, seed=number))
    film(tmp_path / "CLIP.mp4")
    torch.save(build_net("vdsr", scale=2, channels=1).state_dict(), tmp_path / "vdsr.pth")
    return tmp_path


@pytest.mark.slow
def test_each_line_does_what_it_says(desk: Path) -> None:
    lines = [line for line in lines_of(README) if words_of(line) in LINES]
    expected = [Line()] * len(BEFORE) + [LINES[words_of(line) or ""] for line in lines]
    typed = [
        one.typed(line, number)
        for number, (one, line) in enumerate(zip(expected, BEFORE + lines, strict=True))
    ]
    asked, said = desk / "lines.json", desk / "said.json"
    asked.write_text(json.dumps(typed), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "80", "OMP_NUM_THREADS": "1"}
    environment |= {"TORCH_HOME": str(desk / "torch"), "SR_DATA_DIR": "data", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(WORKER), str(asked), str(said), "--codes"]
    done = subprocess.run(command, cwd=desk, env=environment, capture_output=True, text=True, timeout=3000)
    assert done.returncode == 0, done.stderr
    wrong = [
        f"$ {line}\n{output[-3000:]}\nended with {code}; looked for {one.prints}"
        for one, line, (output, code) in zip(expected, typed, json.loads(said.read_text()), strict=True)
        if code != one.code or not re.search(one.prints, output, re.DOTALL)
    ]
    assert not wrong, "\n\n".join(wrong)
    assert (desk / "OUT" / "CLIP_x4.mp4").exists()
