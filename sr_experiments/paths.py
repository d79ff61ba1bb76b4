"""Where the program finds its configs. Everything else is relative to the user's working directory."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def conf_dir() -> Path:
    """The folder of configs: the copy inside an installed wheel first, then ``conf/`` beside a checkout's
    package.

    Raises:
        FileNotFoundError: if neither is there, which means a broken installation.
    """
    for folder in (_PACKAGE / "conf", _PACKAGE.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise FileNotFoundError(f"no conf/config.yaml in {_PACKAGE} or beside it: the installation is incomplete")
