"""The scripts of docs/site, which are in no package."""

import importlib.util
from types import ModuleType

from tests.conftest import ROOT


def script(name: str) -> ModuleType:
    """docs/site/<name>.py as a module."""
    spec = importlib.util.spec_from_file_location(f"site_{name}", ROOT / "docs" / "site" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
