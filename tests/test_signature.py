"""Signatures are read from source: right for any target that a config may name, and nothing is imported."""

import ast
import inspect
import subprocess
import sys

import pytest

from sr_experiments.signature import UnknownTarget, find_module, find_signature


@pytest.mark.parametrize(
    "target",
    [
        "torch.optim.Adam",
        "torch.optim.SGD",
        "torch.optim.lr_scheduler.MultiStepLR",
        "torch.optim.lr_scheduler.OneCycleLR",
        "torch.nn.Conv2d",  # reached through a star import
        "pytorch_lightning.Trainer",
        "pytorch_lightning.loggers.WandbLogger",
        "pytorch_lightning.callbacks.EarlyStopping",
        "sr_experiments.nets.rcan.RCAN",
        "sr_experiments.data.datamodule.SRData",
    ],
)
def test_a_static_signature_equals_the_imported_one(target: str) -> None:
    module, _, name = target.rpartition(".")
    imported = __import__(module, fromlist=[name])
    expected = inspect.signature(getattr(imported, name).__init__)
    found = find_signature(target)
    keywords = {
        p.name for p in expected.parameters.values() if p.kind is not p.VAR_KEYWORD and p.name != "self"
    }
    assert set(found.parameters) == keywords
    assert found.open == any(p.kind is p.VAR_KEYWORD for p in expected.parameters.values())
    for parameter in found.parameters.values():
        assert parameter.required == (expected.parameters[parameter.name].default is inspect.Parameter.empty)


def test_an_inherited_constructor_is_found() -> None:
    # torch.optim.AdamW inherits from Adam in new versions and spells its own in old ones.
    assert "weight_decay" in find_signature("torch.optim.AdamW").parameters


def test_a_dataclass_has_its_fields() -> None:
    signature = find_signature("sr_experiments.config.Config")
    assert not signature.parameters["scale"].required
    assert ast.unparse(signature.parameters["init_from"].annotation or ast.Constant(0)) == "str | None"


def test_nothing_is_imported() -> None:
    """Importing Lightning takes five seconds: a typo must not wait for it."""
    code = (
        "import sys; from sr_experiments.signature import find_signature;"
        "find_signature('pytorch_lightning.Trainer'); find_signature('torch.optim.Adam');"
        "print([m for m in ('torch', 'pytorch_lightning', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("target", "message", "given"),
    [
        ("sr_experiments.nets.rcan.Rcan", "module 'sr_experiments.nets.rcan' has no 'Rcan'", "Rcan"),
        ("sr_experiments.nets.rkan.RCAN", "there is no module 'sr_experiments.nets.rkan'", "rkan"),
        ("torhc.optim.Adam", "there is no module 'torhc.optim'", "torhc"),
        ("Adam", "'Adam' is not a dotted path module.Name", "Adam"),
    ],
)
def test_a_target_that_leads_nowhere(target: str, message: str, given: str) -> None:
    with pytest.raises(UnknownTarget, match=message) as caught:
        find_signature(target)
    assert caught.value.given == given


def test_a_missing_module_knows_its_neighbours() -> None:
    with pytest.raises(UnknownTarget) as caught:
        find_signature("sr_experiments.nets.rkan.RCAN")
    assert "rcan" in caught.value.known


def test_relative_imports_are_followed() -> None:
    module = find_module("pytorch_lightning.loggers")
    assert module is not None
    found = module.definition("CSVLogger")
    assert found is not None
    assert found[0].name == "pytorch_lightning.loggers.csv_logs"
