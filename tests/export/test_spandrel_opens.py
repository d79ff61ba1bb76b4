"""What leaves as a weight file, spandrel (and so chaiNNer) opens, where it knows the net: the same image."""

import copy
import warnings
from pathlib import Path

import pytest
import torch

from sr_experiments.export.files import write_weights
from sr_experiments.export.trial import example
from tests.nets.toys import build_net, net_names

pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid")
# spandrel knows no others of ours: ONNX is how these leave the house.
OPENS = {"rcan", "rrdbnet", "srvgg", "srvgg_small"}
GUESSED = {  # what no file tells, spandrel takes as published
    "rrdbnet": {"growth": 32},
    "spandrel/atd": {"category_size": 256},
    "spandrel/seemore": {"num_experts": 3, "topk": 1},
}
# GRL's windows are guessed from its size: a toy is another net to spandrel. The others take long, and are in
# tests/nets/test_spandrel.py.
BESIDE = {"spandrel/grl", "spandrel/omnisr", "spandrel/atd", "spandrel/craft", "spandrel/dctlsa"}


@pytest.mark.parametrize("name", [name for name in net_names() if name not in BESIDE])
@torch.no_grad()
def test_spandrel_opens_it(name: str, tmp_path: Path) -> None:
    from spandrel import ModelLoader
    from spandrel.__helpers.registry import UnsupportedModelError

    torch.manual_seed(0)
    net = build_net(name, scale=2, toy=True, **GUESSED.get(name, {})).eval()
    path = tmp_path / "net.safetensors"
    write_weights(path, net.state_dict(), {"scale": "2"})
    if "/" not in name and name not in OPENS:
        with pytest.raises((UnsupportedModelError, RuntimeError, KeyError, ValueError)):
            ModelLoader().load_from_file(path)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = ModelLoader().load_from_file(path).eval()
    assert (theirs.scale, theirs.input_channels) == (2, 3)
    lq = example(net)[0][:1]
    torch.testing.assert_close(theirs.model(copy.deepcopy(lq)), net(lq), rtol=1e-4, atol=1e-5)
