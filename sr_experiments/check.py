"""The check of a composed config before anything is built: every ``_target_`` against its signature.

Hydra refuses a mistyped key on the command line. It does not refuse one inside a YAML file, one added with
``+``, or a value of the wrong type. This does, and names the nearest right name.
"""

import ast
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sr_experiments.config import root_keys, value_problems
from sr_experiments.nearest import nearest, nearest_key
from sr_experiments.paths import conf_dir
from sr_experiments.signature import Module, UnknownTarget, class_fields, find_signature

_HYDRA_KEYS = {"_target_", "_partial_", "_recursive_", "_convert_", "_args_"}
_BUILT = ("task", "model", "net", "loss", "data", "degradation", "optimizer", "schedule", "trainer")
_SEQUENCES = {"Sequence", "list", "List", "tuple", "Tuple", "Iterable", "Collection", "set"}
_MAPPINGS = {"Mapping", "dict", "Dict", "MutableMapping"}
_PLAIN: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "str": (str,),
    "Path": (str,),
    "PathLike": (str,),
}


def check(config: DictConfig) -> None:
    """Refuse a config in which anything could not be built.

    Raises:
        ValueError: with every problem found, a line each.
    """
    plain: Any = OmegaConf.to_container(config)
    known = {key: plain[key] for key in root_keys() if key in plain}
    problems = [
        f"{key}: no such key at the top level.{nearest_key(str(key), known)}"
        for key in plain
        if key not in known
    ]
    problems += value_problems(config)
    problems += [_needs_a_value(key) for key in sorted(OmegaConf.missing_keys(config))]
    if not problems:
        try:
            plain = OmegaConf.to_container(config, resolve=True)
        except OmegaConfBaseException as error:
            raise ValueError(str(error).splitlines()[0]) from error
        assert isinstance(plain, dict)
        problems += [
            f"{key}: there is no _target_ in it, so nothing says which class is built; "
            f"conf/{key}/*.yaml are examples"
            for key in _BUILT
            if plain[key] and not (isinstance(plain[key], dict) and "_target_" in plain[key])
        ]
        found = _walk("", plain)
        # What stands in two places by interpolation (data.degradation is ${degradation}) is told once.
        problems += [
            one for one in found if not any(one != other and one.endswith(f".{other}") for other in found)
        ]
    if problems:
        raise ValueError("\n".join(problems))


def _needs_a_value(key: str) -> str:
    """Of which kind, where its name tells."""
    kinds = {"root": "FOLDER", "gt": "FOLDER", "lq": "FOLDER", "url": "FOLDER_OR_ADDRESS"}
    kind = "CHOICE" if (conf_dir() / key).is_dir() else kinds.get(key.rpartition(".")[2], "VALUE")
    return f"{key}=??? needs a value: {key}={kind}" + ("; --help lists them" if kind == "CHOICE" else "")


def _walk(path: str, node: Any) -> list[str]:
    """The problems of a node and of all below it."""
    problems: list[str] = []
    if isinstance(node, Mapping):
        if "_target_" in node:
            problems += _check_target(path, node)
        for key, value in node.items():
            problems += _walk(f"{path}.{key}" if path else str(key), value)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            problems += _walk(f"{path}[{index}]", value)
    return problems


def _check_target(path: str, node: Mapping[str, Any]) -> list[str]:
    target = node["_target_"]
    if not isinstance(target, str):
        return [f"{path}._target_: must be a dotted path module.Name, not {target!r}"]
    try:
        signature = find_signature(target)
    except UnknownTarget as error:
        return [f"{path}._target_: {error}.{nearest(error.given, error.known)}"]
    name = target.rpartition(".")[2]
    known = list(signature.parameters)
    problems = []
    for key, value in node.items():
        if key in _HYDRA_KEYS:
            continue
        if key in signature.parameters:
            problems += _check_value(
                f"{path}.{key}", value, signature.parameters[key].annotation, signature.module
            )
        elif not signature.open:
            takes = f" It takes: {', '.join(known)}." if known else " It takes no arguments."
            problems.append(f"{path}.{key}: {name} has no argument '{key}'.{nearest(str(key), known)}{takes}")
    if not node.get("_partial_") and "_args_" not in node:
        missing = [p.name for p in signature.parameters.values() if p.required and p.name not in node]
        problems += [f"{path}.{key}: {name} needs this argument: {path}.{key}=VALUE" for key in missing]
    return problems


def _check_value(path: str, value: Any, annotation: ast.expr | None, module: Module) -> list[str]:
    """The problems of one argument. Mappings of known fields are checked by key; the rest by type."""
    for option in _alternatives(annotation) if isinstance(value, Mapping) else []:
        fields = _known_fields(option, module)
        if fields is not None:
            return _check_fields(path, value, *fields)
        fields = _known_fields(_mapped(option), module)
        if fields is not None:  # Mapping[str, Term]: every Term by its keys
            entries = [(f"{path}.{key}", entry) for key, entry in value.items()]
            wrong = [
                f"{inner}={_shown(e)}: must be a mapping"
                for inner, e in entries
                if not isinstance(e, Mapping)
            ]
            return wrong or [text for inner, e in entries for text in _check_fields(inner, e, *fields)]
    if not _accepts(annotation, value, module):
        assert annotation is not None
        text = isinstance(value, int | float) and _accepts(annotation, "", module)
        hint = f"; as text: \"{path}='...'\" with both kinds of quotes" if text else ""
        return [f"{path}={_shown(value)}: must be {_wanted(annotation, value, module)}{hint}"]
    return []


def _wanted(annotation: ast.expr, value: Any, module: Module) -> str:
    """What an annotation asks for, in words: the choices of a Literal, or the type beside the one given."""
    found = module.definition(annotation.id) if isinstance(annotation, ast.Name) else None
    if found is not None and isinstance(found[1], ast.Assign) and isinstance(found[1].value, ast.expr):
        annotation = found[1].value  # an alias: Kernel = Literal[...]
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value).endswith("Literal"):
        inner = annotation.slice
        options = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        choices = [str(option.value) for option in options if isinstance(option, ast.Constant)]
        return f"one of {', '.join(choices)}.{nearest(str(value), choices)}"
    kinds = sorted({type(entry).__name__ for entry in value}) if isinstance(value, list) else []
    of = f" of {' and '.join(kinds)}" if kinds else ""
    return f"{ast.unparse(annotation)}, not {type(value).__name__}{of}"


def _check_fields(
    path: str, value: Mapping[str, Any], parameters: Mapping[str, Any], module: Module
) -> list[str]:
    problems = []
    for name, entry in value.items():
        inner = f"{path}.{name}"
        if name not in parameters:
            known = list(parameters)
            problems.append(f"{inner}: no such key.{nearest(str(name), known)} It takes: {', '.join(known)}.")
        else:
            problems += _check_value(inner, entry, parameters[name].annotation, module)
    problems += [
        f"{path}.{p.name}: this key is needed"
        for p in parameters.values()
        if p.required and p.name not in value
    ]
    return problems


def _known_fields(annotation: ast.expr | None, module: Module) -> tuple[Mapping[str, Any], Module] | None:
    """The fields of a TypedDict or dataclass that an annotation names, if it names one."""
    if not isinstance(annotation, ast.Name):
        return None
    found = module.definition(annotation.id)
    if found is None or not isinstance(found[1], ast.ClassDef):
        return None
    described = [ast.unparse(entry) for entry in [*found[1].bases, *found[1].decorator_list]]
    if any("TypedDict" in text or "dataclass" in text for text in described):
        return class_fields(found[0], found[1]), found[0]
    return None


def _alternatives(annotation: ast.expr | None) -> list[ast.expr | None]:
    """``A | B`` as A and B; anything else as it is."""
    if isinstance(annotation, ast.BinOp):
        return _alternatives(annotation.left) + _alternatives(annotation.right)
    return [annotation]


def _mapped(annotation: ast.expr | None) -> ast.expr | None:
    """``Term`` of ``Mapping[str, Term]``, else None."""
    if isinstance(annotation, ast.Subscript) and isinstance(annotation.slice, ast.Tuple):
        name = ast.unparse(annotation.value).rpartition(".")[2]
        return annotation.slice.elts[-1] if name in _MAPPINGS else None
    return None


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value)


def _is_object(value: Any) -> bool:
    """Whether a value will have become an object of some class by the time it is passed."""
    return isinstance(value, Mapping) and "_target_" in value


def _accepts(annotation: ast.expr | None, value: Any, module: Module) -> bool:
    """Whether a plain value fits an annotation. What can not be decided from the source is accepted."""
    if annotation is None or _is_object(value):
        return True
    if isinstance(annotation, ast.Constant):
        if isinstance(annotation.value, str):
            return _accepts(ast.parse(annotation.value, mode="eval").body, value, module)
        return annotation.value is None and value is None
    if isinstance(annotation, ast.BinOp):
        return _accepts(annotation.left, value, module) or _accepts(annotation.right, value, module)
    if isinstance(annotation, ast.Subscript):
        return _accepts_generic(annotation, value, module)
    name = annotation.attr if isinstance(annotation, ast.Attribute) else getattr(annotation, "id", "")
    if name in ("Any", "object"):
        return True
    if name in _PLAIN:
        return isinstance(value, _PLAIN[name]) and (name == "bool" or not isinstance(value, bool))
    if name in _SEQUENCES:
        return isinstance(value, list)
    if name in _MAPPINGS:
        return isinstance(value, Mapping)
    found = module.definition(name) if isinstance(annotation, ast.Name) else None
    if found is not None and isinstance(found[1], ast.Assign | ast.AnnAssign):  # Kernel = Literal[...]
        return _accepts(found[1].value, value, found[0])
    if _known_fields(annotation, module) is not None:
        return isinstance(value, Mapping)
    wants_object = found is not None and isinstance(found[1], ast.ClassDef)
    return not wants_object


def _accepts_generic(annotation: ast.Subscript, value: Any, module: Module) -> bool:
    name = ast.unparse(annotation.value).rpartition(".")[2]
    inner = annotation.slice
    options = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
    if name == "Literal":
        return any(
            isinstance(o, ast.Constant) and o.value == value and type(o.value) is type(value) for o in options
        )
    if name == "Optional":
        return value is None or _accepts(inner, value, module)
    if name == "Union":
        return any(_accepts(option, value, module) for option in options)
    if name in {"tuple", "Tuple"} and not (len(options) == 2 and ast.unparse(options[1]) == "..."):
        if not isinstance(value, list) or len(value) != len(options):
            return False
        return all(_accepts(option, entry, module) for option, entry in zip(options, value, strict=True))
    if name in _SEQUENCES:
        return isinstance(value, list) and all(_accepts(options[0], entry, module) for entry in value)
    if name in _MAPPINGS:
        if not isinstance(value, Mapping):
            return False
        return all(_accepts(options[-1], entry, module) for entry in value.values())
    return True
