"""The command line: compose, check, hand over to the task; and turn mistakes into one clear message.

Exit codes: 0 done; 2 the user can mend it; 130 interrupted; 1 our fault.
"""

import logging
import os
import sys
import traceback
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.utils import get_method
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from sr_experiments.check import check
from sr_experiments.config import register
from sr_experiments.mistakes import composition_message, user_message
from sr_experiments.paths import conf_dir

register()
_log = logging.getLogger(__name__)


@hydra.main(config_path=str(conf_dir()), config_name="config", version_base="1.3")
def _app(config: DictConfig) -> None:
    check(config)
    task = get_method(config.task._target_)  # imported only now: Lightning takes seconds
    task(config, Path(HydraConfig.get().runtime.output_dir))


def main() -> None:
    """Run the program and exit."""
    os.environ["HYDRA_FULL_ERROR"] = (
        "1"  # Hydra raises instead of printing, so that one place decides what is shown
    )
    debug = "debug=true" in [argument.lower() for argument in sys.argv[1:]]
    try:
        _app()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except (HydraException, OmegaConfBaseException) as error:
        _fail(error, composition_message(error, sys.argv[1:]), debug=debug)
    except Exception as error:
        _fail(error, user_message(error), debug=debug)


def _fail(error: Exception, message: str | None, *, debug: bool) -> None:
    if message is None or debug:
        traceback.print_exception(error)
    if message is not None:
        print(f"error: {message}", file=sys.stderr)
    else:
        print(
            "This is a fault of the program, not of yours: please report it with the lines above.",
            file=sys.stderr,
        )
    sys.exit(1 if message is None else 2)
