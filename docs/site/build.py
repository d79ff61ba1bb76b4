"""Build the documentation: one folder that opens from disk and asks nothing of any server.

``python docs/site/build.py [FOLDER]``. The pages are those of ``docs/``, which read as well on GitHub, and of
README.md and its like. Added are what would rot if it were written down: the configs as they are, what
``--help`` prints, and a page of each room from its docstrings. Links into the source lead to those. A link
that leads nowhere, or any warning, ends it with exit code 1.
"""

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from posixpath import normpath, relpath
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PACKAGE = "sr_experiments"
# Files outside docs/ -> their pages.
OUTSIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "data/README.md": "data/README.md",
}
RESULTS = "benchmarks/results"
# Rooms with a page from their docstrings -> what its title says.
ROOMS = {
    "nets": "Nets restore",
    "nets/discriminators": "Discriminators",
    "losses": "Losses judge",
    "metrics": "Metrics report",
    "degradations": "Degradations spoil",
    "models": "Models train",
    "data": "Data",
    "imaging": "Imaging",
}
_LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
_FENCE = re.compile(r"^ *(```|~~~)")


def main() -> int:
    """Build into the folder of the command line."""
    parser = argparse.ArgumentParser(description="Build the documentation.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "site", help="where to (site)")
    folder = parser.parse_args().folder.resolve()
    if folder.exists() and any(folder.iterdir()) and not (folder / "index.html").exists():
        print(f"{folder} is not empty and holds no site; give another folder", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as stage:
        config = write_stage(Path(stage))
        done = subprocess.run(
            [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(config)],
            cwd=stage,
            capture_output=True,
            text=True,
        )
        said = done.stdout + done.stderr
        if done.returncode or re.search(r"warning|error", said, re.IGNORECASE):
            print(said, file=sys.stderr)
            return 1
        if folder.exists():
            shutil.rmtree(folder)
        shutil.copytree(Path(stage) / "site", folder)
    print(f"{folder / 'index.html'}: {len(list(folder.rglob('*.html')))} pages")
    return 0


def write_stage(folder: Path) -> Path:
    """All pages and the config of the builder, below `folder`; the config's path."""
    pages = folder / "pages"
    for path in sorted((ROOT / "docs").rglob("*")):
        if path.is_file() and HERE not in path.parents:
            place(path, pages, path.relative_to(ROOT / "docs").as_posix())
    for source, page in OUTSIDE.items():
        place(ROOT / source, pages, page)
    for picture in sorted((ROOT / RESULTS).rglob("*.png")):
        place(picture, pages, f"results/{picture.relative_to(ROOT / RESULTS).as_posix()}")
    for group in config_groups():
        write(pages / "conf" / f"{group}.md", config_page(group))
    for room in ROOMS:
        write(pages / api_page(room), room_page(room))
    write(pages / "help.md", help_page())
    write(pages / "files.md", files_page())
    for name in ("iframe-worker.js", "look.css"):
        (pages / "offline").mkdir(exist_ok=True)
        shutil.copy(HERE / name, pages / "offline")
    config = yaml.safe_load((HERE / "site.yml").read_text(encoding="utf-8"))
    config |= {"docs_dir": "pages", "site_dir": "site", "nav": expanded(config["nav"], pages)}
    config["plugins"][-1]["mkdocstrings"]["handlers"]["python"]["paths"] = [str(ROOT)]
    there = {path.relative_to(pages).as_posix() for path in pages.rglob("*.md")}
    named = set(leaves(config["nav"]))
    if named - there:
        raise SystemExit(
            f"docs/site/site.yml: nav names {', '.join(sorted(named - there))}, which is not there"
        )
    if there - named:
        config["nav"].append({"More": sorted(there - named)})
    write(folder / "mkdocs.yml", yaml.safe_dump(config, sort_keys=False))
    return folder / "mkdocs.yml"


def place(source: Path, pages: Path, page: str) -> None:
    """A file as a page, or a picture beside the pages."""
    if source.suffix != ".md":
        (pages / page).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, pages / page)
        return
    text = source.read_text(encoding="utf-8")
    write(pages / page, relinked(text, source=source.relative_to(ROOT).as_posix(), page=page))


def relinked(text: str, *, source: str, page: str) -> str:
    """The text of `source` with its links as they lead from `page`."""

    def lead(match: re.Match[str]) -> str:
        link = match[1]
        if re.match(r"[a-z]+:|#", link):
            return link
        path, sharp, anchor = link.partition("#")
        place, own = page_of(normpath(f"{source}/../{path}"), source)
        return relpath(place, start=f"{page}/..") + (sharp + anchor if anchor else own)

    lines, fenced = [], False
    for line in text.splitlines():
        if _FENCE.match(line):
            fenced = not fenced
        lines.append(line if fenced else _LINK.sub(lead, line))
    return "\n".join(lines) + "\n"


def page_of(path: str, source: str) -> tuple[str, str]:
    """The page of a file of the repository, and the place on it."""
    if path in OUTSIDE:
        return OUTSIDE[path], ""
    if (ROOT / path).is_dir() and (ROOT / path / "README.md").exists():
        return page_of(f"{path}/README.md", source)
    if path.startswith(f"{RESULTS}/") and path.endswith(".png") and (ROOT / path).is_file():
        return f"results/{path.removeprefix(f'{RESULTS}/')}", ""
    top, _, rest = path.partition("/")
    if top == "docs" and (ROOT / path).is_file():
        return rest, ""
    room, _, name = rest.rpartition("/")
    if top == "conf" and room in config_groups():
        return f"conf/{room}.md", "#" + Path(name).stem
    if top == PACKAGE and room in ROOMS:
        return api_page(room), "#" + path.removesuffix(".py").replace("/", ".")
    raise SystemExit(f"{source}: the link to {path} leads to nothing that has a page")


def config_groups() -> list[str]:
    """The groups of conf/, in the order of the alphabet."""
    return sorted(path.name for path in (ROOT / "conf").iterdir() if path.is_dir())


def config_page(group: str) -> str:
    """Every choice of a group, as it is."""
    parts = [f"# {group}=\n\nThe choices of `{group}`, as they are in `conf/{group}/`.\n"]
    for path in sorted((ROOT / "conf" / group).rglob("*.yaml")):
        name = path.relative_to(ROOT / "conf" / group).with_suffix("").as_posix()
        title = f"## {name} {{ #{name} }}"
        parts.append(f"{title}\n\n```yaml\n{path.read_text(encoding='utf-8').rstrip()}\n```\n")
    return "\n".join(parts)


def api_page(room: str) -> str:
    """Where a room's page is."""
    return f"api/{room.replace('/', '-')}.md"


def room_page(room: str) -> str:
    """Every file of a room, by its docstrings."""
    names = sorted(path.stem for path in (ROOT / PACKAGE / room).glob("*.py") if path.stem != "__init__")
    prefix = f"{PACKAGE}/{room}".replace("/", ".")
    return f"# {ROOMS[room]}\n\n" + "\n".join(f"::: {prefix}.{name}\n" for name in names)


def files_page() -> str:
    """Every file of the package, room by room, by the first line of its docstring."""
    parts = ["# Every file\n\nBy its own first line; [the rooms](architecture.md).\n"]
    files = sorted((ROOT / PACKAGE).rglob("*.py"), key=lambda path: (path.parent != ROOT / PACKAGE, path))
    for folder in dict.fromkeys(path.parent for path in files):
        parts.append(f"\n## {folder.relative_to(ROOT)}/\n\n| file | what |\n|---|---|")
        for path in (path for path in files if path.parent == folder):
            said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            first = said.partition("\n")[0].replace("``", "`").replace("|", "\\|")
            parts.append(f"| `{path.name}` | {first} |")
    return "\n".join(parts) + "\n"


def help_page() -> str:
    """What the program says of itself, and to a few mistakes."""
    parts = ["# What it says\n\nPrinted when these pages were built.\n"]
    for arguments in (
        ["--help"],
        ["model=rcna"],
        ["model=rcan", "net.redction=8"],
        ["optimizer.lr=fast"],
        ["data=folder"],
    ):
        command = [sys.executable, "-m", PACKAGE, *arguments]
        environment = os.environ | {"COLUMNS": "80"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        said = f"{done.stdout}{done.stderr}".rstrip()
        typed = " ".join(["python -m", PACKAGE, *arguments])
        parts.append(f"## {' '.join(arguments)}\n\n```console\n$ {typed}\n{said}\n```\n")
        parts.append(f"Exit code {done.returncode}.\n")
    return "\n".join(parts)


def expanded(nav: Any, pages: Path) -> Any:
    """The table of contents with the pages that a pattern stands for."""
    if isinstance(nav, dict):
        return {title: expanded(below, pages) for title, below in nav.items()}
    if isinstance(nav, list):
        return [entry for below in nav for entry in listed(expanded(below, pages))]
    found = sorted(path.relative_to(pages).as_posix() for path in pages.glob(nav) if path.suffix == ".md")
    return sorted(found, key=lambda page: not page.endswith("README.md")) if "*" in nav else nav


def listed(entry: Any) -> list[Any]:
    """An entry, or those that a pattern became."""
    return entry if isinstance(entry, list) else [entry]


def leaves(nav: Any) -> Iterator[str]:
    """The pages of a table of contents."""
    if isinstance(nav, str):
        yield nav
    else:
        for below in nav.values() if isinstance(nav, dict) else nav:
            yield from leaves(below)


def write(path: Path, text: str) -> None:
    """A text file, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
