"""The signature of a ``_target_``, read from its source without importing it.

Importing Lightning takes five seconds and torch two; reading one file takes a millisecond. So a mistyped
argument is answered at once, and a config can not make the program import something before it has been
checked.
"""

import ast
import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path

_Definition = ast.ClassDef | ast.FunctionDef


class UnknownTarget(ValueError):
    """A ``_target_`` that leads nowhere.

    Attributes:
        given: The name that was not found.
        known: The names that are there instead.
    """

    def __init__(self, message: str, *, given: str, known: list[str]) -> None:
        """Keep what was asked for and what there is, for a suggestion."""
        super().__init__(message)
        self.given = given
        self.known = known


@dataclass(frozen=True)
class Module:
    """A parsed source file."""

    name: str
    path: Path
    tree: ast.Module

    def names(self) -> list[str]:
        """Classes and functions defined here."""
        return [node.name for node in self.tree.body if isinstance(node, _Definition)]

    def definition(
        self, name: str, *, passed: frozenset[tuple[str, str]] = frozenset()
    ) -> "tuple[Module, ast.stmt] | None":
        """The statement that defines `name` and the module it stands in; imports are followed.

        Args:
            name: A class, function or alias.
            passed: Modules that were asked on the way here: packages import from one another in circles.
        """
        if (self.name, name) in passed:
            return None
        passed |= {(self.name, name)}
        for node in _statements(self.tree.body):
            if isinstance(node, _Definition) and node.name == name:
                return self, node
            if _assigned_name(node) == name:
                return self, node
            if isinstance(node, ast.ImportFrom):
                wanted = [alias.name for alias in node.names if (alias.asname or alias.name) == name]
                if any(alias.name == "*" for alias in node.names):
                    wanted = [name]
                source = find_module(self._absolute(node)) if wanted else None
                found = source.definition(wanted[0], passed=passed) if source else None
                if found is not None:
                    return found
        return None

    def imported(self, name: str) -> str | None:
        """The dotted module behind `name` after ``import a.b as name`` or ``from a import name``."""
        for node in _statements(self.tree.body):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.asname == name:
                        return alias.name
                    if alias.asname is None and alias.name.split(".")[0] == name:
                        return name
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        return f"{self._absolute(node)}.{alias.name}"
        return None

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        drop = node.level - 1 if self.path.name == "__init__.py" else node.level
        return ".".join(filter(None, [*parts[: len(parts) - drop], node.module]))


@dataclass(frozen=True)
class Parameter:
    """One argument: its annotation as source, and whether it must be given."""

    name: str
    annotation: ast.expr | None
    required: bool


@dataclass(frozen=True)
class Signature:
    """What a target can be called with. `open`: it takes any further keyword."""

    target: str
    module: Module
    parameters: dict[str, Parameter]
    open: bool


def _statements(body: list[ast.stmt]) -> list[ast.stmt]:
    """Statements, those under ``if`` and ``try`` too, last first: the last definition of a name counts."""
    found: list[ast.stmt] = []
    for node in body:
        found.append(node)
        if isinstance(node, ast.If | ast.Try):
            found += _statements(node.body) + _statements(node.orelse)
    return found[::-1]


def _assigned_name(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        return node.target.id
    return None


@functools.cache
def find_module(dotted: str) -> Module | None:
    """The source of a module, found on disk without importing it or its parents' code."""
    root, *rest = dotted.split(".")
    try:
        spec = importlib.util.find_spec(root)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    path = Path(spec.origin)
    for part in rest:
        if path.name != "__init__.py":
            return None
        package = path.parent
        path = package / part / "__init__.py"
        if not path.is_file():
            path = package / f"{part}.py"
        if not path.is_file():
            return None
    return Module(dotted, path, ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))


def find_signature(target: str) -> Signature:
    """The signature of the class or function at a dotted path.

    Raises:
        UnknownTarget: if there is no such module or no such name in it.
    """
    dotted, _, name = target.rpartition(".")
    module = find_module(dotted)
    if module is None:
        known_parent = dotted
        while known_parent and find_module(known_parent) is None:
            known_parent = known_parent.rpartition(".")[0]
        missing = dotted[len(known_parent) :].lstrip(".").split(".")[0] or target
        message = (
            f"there is no module {dotted!r}" if dotted else f"{target!r} is not a dotted path module.Name"
        )
        raise UnknownTarget(message, given=missing, known=_submodules(known_parent))
    found = module.definition(name)
    if found is None or not isinstance(found[1], _Definition):
        raise UnknownTarget(f"module {dotted!r} has no {name!r}", given=name, known=module.names())
    return _signature_of(target, found[0], found[1])


def _submodules(dotted: str) -> list[str]:
    module = find_module(dotted) if dotted else None
    if module is None or module.path.name != "__init__.py":
        return []
    return sorted(p.stem if p.suffix else p.name for p in module.path.parent.iterdir() if p.name[0] != "_")


def _signature_of(target: str, module: Module, node: _Definition) -> Signature:
    if isinstance(node, ast.FunctionDef):
        return _from_function(target, module, node, skip=0)
    for entry in node.body:
        if isinstance(entry, ast.FunctionDef) and entry.name == "__init__":
            return _from_function(target, module, entry, skip=1)
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return Signature(target, module, class_fields(module, node), open=False)
    for base in node.bases:
        inherited = _resolve_class(module, base)
        if inherited is not None:
            return _signature_of(target, *inherited)
    return Signature(target, module, {}, open=False)


def class_fields(module: Module, node: ast.ClassDef) -> dict[str, Parameter]:
    """The annotated fields of a dataclass or TypedDict, inherited ones first."""
    found: dict[str, Parameter] = {}
    for base in node.bases:
        inherited = _resolve_class(module, base)
        if inherited is not None:
            found |= class_fields(*inherited)
    for entry in node.body:
        if isinstance(entry, ast.AnnAssign) and isinstance(entry.target, ast.Name):
            found[entry.target.id] = Parameter(entry.target.id, entry.annotation, entry.value is None)
    return found


def _resolve_class(module: Module, node: ast.expr) -> tuple[Module, ast.ClassDef] | None:
    """The class that an expression such as ``Base``, ``nn.Module`` or ``Base[T]`` means."""
    if isinstance(node, ast.Subscript):
        node = node.value
    found = None
    if isinstance(node, ast.Name):
        found = module.definition(node.id)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        home = module.imported(node.value.id)
        source = find_module(home) if home else None
        found = source.definition(node.attr) if source else None
    if found is not None and isinstance(found[1], ast.ClassDef):
        return found[0], found[1]
    return None


def _from_function(target: str, module: Module, node: ast.FunctionDef, *, skip: int) -> Signature:
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args][skip:]
    optional = len(arguments.defaults)
    parameters = {}
    for index, argument in enumerate(positional):
        required = index < len(positional) - optional
        parameters[argument.arg] = Parameter(argument.arg, argument.annotation, required)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        parameters[argument.arg] = Parameter(argument.arg, argument.annotation, default is None)
    return Signature(target, module, parameters, open=arguments.kwarg is not None)
