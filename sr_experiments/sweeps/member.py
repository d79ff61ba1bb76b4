"""One run of a sweep: where it leaves how it ended, and how it runs apart from the others.

The basic launcher runs one after the other in the sweep's own process. Under any other launcher a run that
trains is a process of its own, ``python -m sr_experiments run=FOLDER``: one that is killed takes nothing with
it, a GPU is its own from the first line on, and what it holds is given back when it ends.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from sr_experiments.data.threads import cores
from sr_experiments.paths import TRAINS
from sr_experiments.ranks import is_first
from sr_experiments.secret import redacted
from sr_experiments.sweeps import slots
from sr_experiments.sweeps.state import OUTCOME, state_of
from sr_experiments.written import config_text, write_json, write_text

JOB = "SR_EXPERIMENTS_JOB"  # where a run of a sweep leaves how it ended
SWEEP = "SR_EXPERIMENTS_SWEEP"  # the name of the sweep
LABEL = "SR_EXPERIMENTS_LABEL"  # what it is called in lines of the sweep
_PARENT = "SR_EXPERIMENTS_PARENT"
PRINTED = "printed.txt"  # of a process apart


def of_a_sweep() -> bool:
    """Whether this process, or the run that it is at, belongs to a sweep."""
    return JOB in os.environ


def sweep_name() -> str | None:
    """What the sweep of this run is called; None: there is none."""
    return os.environ.get(SWEEP)


def note(status: str, *, error: str | None = None, code: int = 0) -> None:
    """Leave how a run of a sweep ended; nothing where there is no sweep, or another process speaks for it."""
    if not of_a_sweep() or not is_first():
        return
    content: dict[str, Any] = {"status": status}
    if error is not None:
        content |= {"error": error, "code": code}
    write_json(Path(os.environ[JOB]), content)


def goes_apart(config: DictConfig) -> bool:
    """Whether a launcher has given this run to one of its workers, which starts a process for it."""
    basic = str(HydraConfig.get().launcher._target_).endswith(".BasicLauncher")
    return of_a_sweep() and not basic and OmegaConf.select(config, "task._target_") == TRAINS


def begun(config: DictConfig, folder: Path) -> DictConfig:
    """The config that a run goes by: in a sweep its own where it was begun before, else as composed."""
    composed_for_sweep = of_a_sweep() and HydraConfig.get().mode == RunMode.MULTIRUN
    if not composed_for_sweep or OmegaConf.select(config, "task._target_") != TRAINS:
        return config
    own = folder / "config.yaml"
    if own.is_file():
        loaded = OmegaConf.load(own)
        assert isinstance(loaded, DictConfig)
        config = loaded
    config = config.copy()
    config.task.resume = True  # where there is no checkpoint it begins
    return config


def run_apart(config: DictConfig, folder: Path) -> None:
    """Run a checked config in a process of its own, and wait for it."""
    if not (folder / "config.yaml").is_file():
        write_text(folder / "config.yaml", config_text(config))
    secrets = [entry for entry in HydraConfig.get().overrides.task if redacted(str(entry)) != str(entry)]
    command = [sys.executable, "-m", "sr_experiments", f"run={folder}", *map(str, secrets)]
    if slots.AT_ONCE not in os.environ:
        _wait(command, folder, {}, "")
        return
    at_once = int(os.environ[slots.AT_ONCE])
    with slots.slot(folder.parent / slots.FOLDER, at_once=at_once) as number:
        gpus = slots.visible_gpus() if slots.uses_gpus(config) else []
        share = slots.share(number, at_once=at_once, gpus=gpus, per_run=slots.per_run(config), cores=cores())
        share = {key: value for key, value in share.items() if gpus or key not in os.environ}
        _wait(command, folder, share, f"  GPU {share['CUDA_VISIBLE_DEVICES']}" if gpus else "")


def _wait(command: list[str], folder: Path, share: dict[str, str], where: str) -> None:
    label, started, parent = os.environ[LABEL], time.monotonic(), os.getppid()
    print(f"{label}: starts{where}", flush=True)
    with (folder / PRINTED).open("ab") as printed:
        # A session of its own: a Ctrl-C in the terminal reaches it through us, and once.
        process = subprocess.Popen(
            command,
            env=os.environ | share | {_PARENT: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        code = _attended(process, lambda: os.getppid() != parent or (folder.parent / slots.STOP).exists())
    _without_secrets(folder / PRINTED)
    if code and not (folder / OUTCOME).is_file():
        _speak_for(code, folder)
    if os.getppid() != parent:
        os._exit(1)  # nobody waits for this worker any more
    status = state_of(folder).status if code == 0 else f"{_named(code)} (see {folder.name}/{PRINTED})"
    print(f"{label}: {status} after {time.monotonic() - started:.0f} s", flush=True)


def _without_secrets(path: Path) -> None:
    """What was meant for a terminal is in a file now."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if redacted(text) != text:
        write_text(path, text)


def _attended(process: "subprocess.Popen[bytes]", over: Callable[[], bool]) -> int:
    """Wait for a run; where the sweep is over, or Ctrl-C has reached this worker, ask it to stop first."""
    while True:
        try:
            return process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            if not over():
                continue
        except KeyboardInterrupt:
            pass
        process.terminate()
        return process.wait()


def _speak_for(code: int, folder: Path) -> None:
    """How a process ended that could not say so itself."""
    if code == 130:
        note("interrupted")
    elif code < 0:
        more = ", which is how the system ends what uses too much memory" if code == -signal.SIGKILL else ""
        note("killed", error=f"its process was {_named(code)}{more}", code=2)
    else:
        note("failed", error=f"its process {_named(code)}; {folder / PRINTED} has what it said", code=1)


def _named(code: int) -> str:
    """An exit code in words."""
    if code == 130:
        return "interrupted"
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def watch_parent() -> None:
    """In a process apart: stop, as on SIGTERM, when the one that started it is gone."""
    parent = os.environ.pop(_PARENT, None)
    if parent is None:
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
