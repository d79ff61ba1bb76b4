"""Equal to the reference implementations on random weights (shared benchmark, golden_forward)."""

import json
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from sr_experiments.nets.base import SRNet
from sr_experiments.nets.edsr import EDSR
from sr_experiments.nets.msrresnet import MSRResNet
from sr_experiments.nets.rcan import RCAN
from sr_experiments.nets.rrdbnet import RRDBNet
from sr_experiments.nets.spandrel import SpandrelNet
from tests.conftest import benchmark_dir

pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid")


def build(name: str, values: dict[str, Any]) -> SRNet:
    """The network of an entry of index.json."""
    if name == "edsr_official_x4":
        return EDSR(scale=4, features=values["n_feats"], blocks=values["n_resblocks"], res_scale=1.0)
    if name == "rcan_official_x4":
        groups, blocks = values["n_resgroups"], values["n_resblocks"]
        return RCAN(
            scale=4, features=values["n_feats"], groups=groups, blocks=blocks, reduction=values["reduction"]
        )
    if name == "rrdbnet_x4":
        return RRDBNet(
            scale=4, features=values["num_feat"], blocks=values["num_block"], growth=values["num_grow_ch"]
        )
    if name == "msrresnet_x4":
        return MSRResNet(scale=4, features=values["num_feat"], blocks=values["num_block"])
    keys = ("img_size", "window_size", "depths", "embed_dim", "num_heads", "mlp_ratio", "upsampler")
    options = {key: values[key] for key in keys} | {"resi_connection": values["resi"]}
    return SpandrelNet(architecture="SwinIR", scale=4, options=options)


@pytest.mark.parametrize(
    "name", ["edsr_official_x4", "rcan_official_x4", "rrdbnet_x4", "msrresnet_x4", "swinir_classical_x4"]
)
@torch.no_grad()
def test_equal_to_the_reference(name: str) -> None:
    values = json.loads(benchmark_dir("golden_forward", "index.json").read_text())[name]
    file = load_file(benchmark_dir("golden_forward", f"{name}.safetensors"))
    net = build(name, values).eval()
    net.load_state_dict(
        {key.removeprefix("p."): value for key, value in file.items() if key.startswith("p.")}
    )
    white = 255.0 if values["input"] == "[0,255]" else 1.0
    for dtype, key, tolerance in [
        (torch.float32, "io.output_fp32", 1e-5),
        (torch.float64, "io.output_fp64", 1e-7),  # EDSR's and RCAN's means were rounded to float32 and back
    ]:
        sr = white * net.to(dtype)(file["io.input"].to(dtype) / white)
        expected = file[key]
        assert sr.dtype == dtype
        assert (sr - expected).abs().max() / expected.abs().max() < tolerance
