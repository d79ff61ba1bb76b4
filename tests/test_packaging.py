"""The configs are found from a checkout, an editable install and a wheel, from any working directory."""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns(".git", ".venv", "runs", "dist", "site", ".*_cache", "__pycache__")
    shutil.copytree(ROOT, source, ignore=ignored)
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(folder),
        str(source),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def printed_config(folder: Path, *, path: Path | None) -> str:
    """What ``-c job model=rcan`` prints in `folder`, with `path` before the installed packages."""
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    where = "import sr_experiments; print(sr_experiments.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", where], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    expected = path or ROOT
    assert Path(done.stdout.strip()).resolve().is_relative_to(expected.resolve())
    done = subprocess.run(
        [sys.executable, "-m", "sr_experiments", "-c", "job", "model=rcan"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_installed_wheel_brings_its_configs(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "sr_experiments/conf/config.yaml" in names
    assert "sr_experiments/conf/model/rcan.yaml" in names
    assert "sr_experiments/py.typed" in names
    assert "hydra_plugins/sr_experiments_sweeps.py" in names
    templates = ROOT / "sr_experiments" / "report" / "templates"
    assert {f"sr_experiments/report/templates/{path.name}" for path in templates.iterdir()} <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "conf/", "data/"))]
    target = tmp_path / "site"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(target),
        str(wheel),
    ]
    subprocess.run(command, check=True)
    assert "sr_experiments.nets.rcan.RCAN" in printed_config(tmp_path, path=target)


def test_a_checkout_and_the_editable_install_find_theirs(tmp_path: Path) -> None:
    assert "sr_experiments.nets.rcan.RCAN" in printed_config(ROOT, path=None)
    assert "sr_experiments.nets.rcan.RCAN" in printed_config(tmp_path, path=ROOT)
    assert "sr_experiments.nets.rcan.RCAN" in printed_config(tmp_path, path=None)


@pytest.mark.slow
def test_the_wheel_in_an_empty_environment_runs_the_demo(wheel: Path, tmp_path: Path) -> None:
    """As a stranger does it: pip install, an empty folder, the console script. Installs about 6 GB."""
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    binaries = environment / "bin"
    install = [
        str(binaries / "pip"),
        "install",
        "--quiet",
        "--constraint",
        str(ROOT / "constraints.txt"),
        str(wheel),
    ]
    subprocess.run(install, check=True)
    folder = tmp_path / "empty"
    folder.mkdir()
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "OMP_NUM_THREADS")}
    command = [str(binaries / "sr-experiments")]
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("runs/*/*/run.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["demo"]
    assert record["status"] == "finished"
    assert "psnr_y" in record["metrics"]["demo"]
