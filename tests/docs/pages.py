"""Reading a page as somebody who follows it: files to write, lines to type, and what is printed then."""

import re
from dataclasses import dataclass, field
from pathlib import Path

_FENCE = re.compile(
    r"^```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$", re.M | re.S
)


@dataclass
class Typed:
    """A line that is typed, and the lines that are printed then; ``...`` stands for anything."""

    line: str
    printed: list[str] = field(default_factory=list)


@dataclass
class Page:
    """What is to be done on a page, in its order.

    Attributes:
        files: Path -> text.
        typed: What is typed.
    """

    files: dict[str, str]
    typed: list[Typed]


def read_page(path: Path) -> Page:
    """The blocks of a page that name a file, and those of a console."""
    files: dict[str, str] = {}
    typed: list[Typed] = []
    for block in _FENCE.finditer(path.read_text(encoding="utf-8")):
        if block["title"]:
            files[block["title"]] = block["text"]
        if block["language"] != "console":
            continue
        for line in block["text"].splitlines():
            if line.startswith("$ "):
                typed.append(Typed(line.removeprefix("$ ")))
            else:
                typed[-1].printed.append(line)
    return Page(files, typed)


def shown(path: Path) -> list[list[str]]:
    """The lines of each block of output: marked as text, or with a line that is typed in it."""
    found = []
    for block in _FENCE.finditer(path.read_text(encoding="utf-8")):
        lines = block["text"].splitlines()
        if block["language"] in ("text", "console") or any(line.startswith("$ ") for line in lines):
            found.append(lines)
    return found


def masked(lines: list[str]) -> list[str]:
    """The lines with a sign for each figure that varies from run to run."""
    return [re.sub(r"\d", "0", re.sub(r"[+-](?=\d)", "+", line)) for line in lines]


def differs(printed: list[str], output: str) -> str | None:
    """The first line of a page that was not printed where it stands; None where all were.

    A line ``...`` stands for any number of lines, three dots within one for any text. Space at the end of a
    line and empty lines do not count.
    """
    found = [line.rstrip() for line in output.splitlines() if line.strip()]
    place, anywhere = 0, False
    for line in (line.rstrip() for line in printed if line.strip()):
        if line == "...":
            anywhere = True
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in line.split("...")))
        places = range(place, len(found) if anywhere else min(place + 1, len(found)))
        at = next((number for number in places if pattern.fullmatch(found[number])), None)
        if at is None:
            return line
        place, anywhere = at + 1, False
    return None if anywhere or place == len(found) or not printed else f"(nothing more), but: {found[place]}"
