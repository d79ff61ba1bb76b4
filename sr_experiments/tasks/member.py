"""One of the processes of a run, but not the first: ``python -m sr_experiments.tasks.member``.

`together.py` starts it, and writes the run's config to its standard input. It works and writes nothing; what
it says is read where it fails.
"""

import json
import os
import sys
import threading
import traceback
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from sr_experiments.config import register
from sr_experiments.mistakes import user_message


def _leave_with_the_first() -> None:
    """Nothing more is written to the standard input: it closes when the first process is no more."""
    os.read(0, 1)
    os._exit(1)


def main() -> int:
    """Work; the exit code is that of the program."""
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_leave_with_the_first, daemon=True).start()
    register()
    try:
        from sr_experiments.tasks.train import train

        config = OmegaConf.create(order["config"])
        assert isinstance(config, DictConfig)
        train(config, Path(order["run_dir"]), resume=order["resume"])
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        message = user_message(error)
        if message is None:
            traceback.print_exception(error)
            return 1
        print(f"error: {message}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
