"""What is said about an exception: whether the user can mend it, and how."""

import errno
import os
import re
import sys
import traceback
from pathlib import Path

from hydra.errors import InstantiationException

from sr_experiments.imaging.shortage import is_shortage, wanted
from sr_experiments.paths import conf_dir

_OURS = Path(__file__).resolve().parent
_MENDABLE = (ValueError, OSError)
_ELSEWHERE = "hydra.run.dir=FOLDER, data_dir=FOLDER and data.cache_dir=FOLDER name other places"
_MEANING = {
    errno.ENOSPC: f"make room, or write elsewhere: {_ELSEWHERE}",
    errno.EDQUOT: f"make room, or write elsewhere: {_ELSEWHERE}",
    errno.EFBIG: f"a file may not become that large here (ulimit -f, or the file system): {_ELSEWHERE}",
    errno.EACCES: f"you may not do that there: {_ELSEWHERE}",
    errno.EPERM: f"you may not do that there: {_ELSEWHERE}",
    errno.EROFS: f"nothing can be written there: {_ELSEWHERE}",
    errno.EEXIST: "something of that name is there already, a file perhaps where a folder is needed",
    errno.ENOTDIR: "a file stands where a folder is needed",
    errno.EMFILE: "more files may be open at once with ulimit -n; fewer are with data.workers=0",
    errno.ENAMETOOLONG: "give a shorter name",
}
_MEMORY = (
    "Lower data.batch_size (trainer.accumulate_grad_batches makes up for it) or data.patch_size, choose "
    "precision=bf16-mixed or a smaller net; for whole images tile=256 with task=evaluate; for decoded images "
    "data.cache=disk or none, and data.workers=0"
)
# What torch says, without a class of its own, of something that the user can mend.
_KNOWN = {
    r"DataLoader worker .*(killed by signal|exited unexpectedly)": (
        "a process that reads images was ended by the system, which is how it ends those that use too much "
        "memory: data.workers=0, or data.cache=disk or none"
    ),
    r"PytorchStreamWriter failed|enforce fail at inline_container|file write failed": (
        f"a checkpoint could not be written, so the disk is full or ended it: make room, or {_ELSEWHERE}"
    ),
    r"Expected more than 1 value per channel when training": (
        "batch normalisation needs more than one value per channel: raise data.batch_size or data.patch_size"
    ),
}


def user_message(error: BaseException) -> str | None:
    """The message of an exception that a user can mend, or None where the fault is ours.

    A ``ValueError`` or ``OSError`` raised by a line of ours was written for the user. The same from inside
    torch is a fault of ours that he can do nothing about.
    """
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
    frames = traceback.extract_tb(error.__traceback__)
    if is_shortage(error):
        said_by_us = frames and _is_ours(frames[-1].filename)
        return str(error) if said_by_us else _out_of_memory(error)
    if type(error).__module__.partition(".")[0] == "yaml":
        return _yaml_message(error)
    if isinstance(error, UnicodeDecodeError) and (path := _yaml_being_read(error)):
        return f"{path}: byte {error.start} is not UTF-8 ({error.reason}); save the file as UTF-8"
    if (known := _known_message(error)) is not None:
        return known
    if (
        type(error).__name__ == "MisconfigurationException"
    ):  # Lightning's word for "you can not ask for that here"
        return str(error)
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return (
            f"torch.compile does not work here ({str(error).splitlines()[0]}); compile=false does without it"
        )
    if not isinstance(error, _MENDABLE):
        return None
    worker = re.search(r"Caught \w+ in DataLoader worker process.*\n\w+: (.*)\Z", str(error), re.DOTALL)
    if worker:
        raised_in = re.findall(r'File "([^"]+)", line \d+', str(error))
        return worker.group(1).strip() if raised_in and _is_ours(raised_in[-1]) else None
    if isinstance(error, ValueError):
        return str(error) if frames and _is_ours(frames[-1].filename) else None
    if error.errno is None:
        return str(error)
    said = f"{error.filename}: {error.strerror}" if error.filename is not None else str(error.strerror)
    return f"{said}; {_MEANING[error.errno]}" if error.errno in _MEANING else said


def _out_of_memory(error: BaseException) -> str:
    size = wanted(error)
    return f"out of memory{f' ({size} more were wanted)' if size else ''}. {_MEMORY}"


def _known_message(error: BaseException) -> str | None:
    """What a library's words mean."""
    if not isinstance(error, RuntimeError | ValueError):
        return None
    meaning = next((means for words, means in _KNOWN.items() if re.search(words, str(error))), None)
    if meaning is not None or "Config group override must be a string" not in str(error):
        return meaning
    groups = {entry.name for entry in conf_dir().iterdir() if entry.is_dir()}
    given = [argument for argument in sys.argv[1:] if argument.partition("=")[0] in groups | {""}]
    return f"{', '.join(given)}: a group takes the name of a choice, as model=rcan; --help lists them"


def _yaml_message(error: BaseException) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None:
        path = _yaml_being_read(error)
        return f"{path or 'a YAML file'} can not be read: {str(error).splitlines()[0]}"
    context = f"{told}: " if (told := getattr(error, "context", None)) else ""
    return f"{mark.name}, line {mark.line + 1}, column {mark.column + 1}: {context}{problem}"


def _yaml_being_read(error: BaseException) -> str | None:
    """The config that Hydra was reading; the exception does not say."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if os.path.basename(frame.f_code.co_filename) == "file_config_source.py":
            path = frame.f_locals.get("full_path")
            return str(path) if path is not None else "a YAML file"
    return None


def _is_ours(filename: str) -> bool:
    return Path(filename).resolve().is_relative_to(_OURS)
