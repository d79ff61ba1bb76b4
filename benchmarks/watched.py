"""The program, which says when it has come how far, and ends with its first step: for `startup.py`.

    python benchmarks/watched.py KEY=VALUE ...

The last line it prints has the time of each mark, in seconds of `time.time`. Nothing heavy is imported here.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any


def watched(arguments: Sequence[str]) -> None:
    """The program, which says when it has come how far, and ends with its first step."""
    marks: dict[str, float] = {}

    def after(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def marked(*given: Any, **named: Any) -> Any:
            made = call(*given, **named)
            marks[name] = time.time()
            return made

        return marked

    from sr_experiments import cli

    marks["imported what is light"] = time.time()
    program: Any = cli
    make_task = program.instantiate

    def imported(config: Any) -> Any:
        task = make_task(config)
        marks["imported"] = time.time()
        from pytorch_lightning import Callback, Trainer

        from sr_experiments.data.datamodule import SRData

        train: Any = importlib.import_module("sr_experiments.tasks.train")

        class End(Callback):
            """Of the first step."""

            def on_train_start(self, *_: Any) -> None:
                """Everything is ready."""
                marks["training"] = time.time()

            def on_train_batch_end(self, *_: Any) -> None:
                """Enough."""
                marks["stepped"] = time.time()
                print("\n" + json.dumps(marks), flush=True)
                os._exit(0)

        def with_end(*given: Any, **named: Any) -> Trainer:
            trainer = build_trainer(*given, **named)
            trainer.callbacks.append(End())  # type: ignore[attr-defined]
            return trainer

        build_trainer: Callable[..., Trainer] = train.build_trainer
        train.build_data = after("data", train.build_data)
        train.build_model = after("model", train.build_model)
        train.build_trainer = after("trainer", with_end)
        SRData.setup = after("images", SRData.setup)  # type: ignore[method-assign]
        return task

    program.check = after("composed", program.check)
    program.instantiate = imported
    sys.argv = ["sr_experiments", *arguments]
    cli.main()


if __name__ == "__main__":
    watched(sys.argv[1:])
