"""A process of a training on several devices: ``python -m tests.models.one_of_many PHOTOS FOLDER KEY=VALUE``.

Each process is started by the test, as torchrun or SLURM would, with LOCAL_RANK in its environment.
"""

import os
import sys
from pathlib import Path

import torch

from sr_experiments.build import build_data, build_model, build_trainer
from tests.tasks.runs import toy_config


def main() -> None:
    """Train; the first process leaves ``end.pt``: every tensor of the model and of its optimizers."""
    torch.set_num_threads(1)
    photographs, folder, *overrides = sys.argv[1:]
    config = toy_config(Path(photographs), *overrides)
    data, model = build_data(config), build_model(config)
    trainer = build_trainer(config, Path(folder), model=model)
    trainer.fit(model, datamodule=data)
    if os.environ["LOCAL_RANK"] == "0":
        end = dict(model.state_dict())
        for number, optimizer in enumerate(trainer.optimizers):
            for key, state in optimizer.state_dict()["state"].items():
                end |= {f"optimizer{number}.{key}.{name}": value for name, value in state.items()}
        torch.save(end, Path(folder) / "end.pt")


if __name__ == "__main__":
    main()
