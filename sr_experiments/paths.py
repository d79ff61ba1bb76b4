"""Where things are: configs, the function that trains; and how a path is told."""

from pathlib import Path

TRAINS = "sr_experiments.tasks.train.train"
"""What configs call the task that trains, the only one that continues and that several processes do."""
_PACKAGE = Path(__file__).resolve().parent


def conf_dir() -> Path:
    """The folder of configs: the copy inside an installed wheel first, then ``conf/`` beside a checkout's
    package. Everything else is relative to the user's working directory.

    Raises:
        FileNotFoundError: if neither is there, which means a broken installation.
    """
    for folder in (_PACKAGE / "conf", _PACKAGE.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise FileNotFoundError(f"no conf/config.yaml in {_PACKAGE} or beside it: the installation is incomplete")


def shown(path: Path) -> str:
    """A path as one would type it: below the working directory from there on."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
