"""Tables that commands have printed: ``python docs/site/tables.py --write`` brings them into the pages.

A line ``<!-- benchmarks/results/startup.md: 1 -->`` on a page says that the table below it is the first one
of that file, which a command with ``--write`` made. A test holds the pages to it. Without ``--write`` the
pages that differ are named, and the exit code is 1.
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
_TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)
_MARKED = re.compile(r"^<!-- (?P<file>\S+\.md): (?P<number>\d+) -->\n\n(?P<table>(?:^\|.*\n)*)", re.MULTILINE)


def tables(text: str) -> list[str]:
    """The tables of a page, in their order."""
    return _TABLE.findall(text)


def marked(text: str) -> list[str]:
    """Those that stand under a mark."""
    return [found["table"] for found in _MARKED.finditer(text)]


def renewed(text: str, *, root: Path = ROOT) -> str:
    """The page with each marked table as it stands in its file.

    Raises:
        ValueError: If a mark names a table that is not there.
    """

    def table(mark: re.Match[str]) -> str:
        path, number = root / mark["file"], int(mark["number"])
        found = tables(path.read_text(encoding="utf-8")) if path.is_file() else []
        if not 1 <= number <= len(found):
            raise ValueError(f"{mark['file']}: {number}: there is no such table")
        return f"<!-- {mark['file']}: {number} -->\n\n{found[number - 1]}"

    return _MARKED.sub(table, text)


def main() -> int:
    """Compare, or write."""
    parser = argparse.ArgumentParser(description="Tables of the pages, from what commands have printed.")
    parser.add_argument("--write", action="store_true", help="into the pages")
    write = parser.parse_args().write
    old = []
    for page in sorted((ROOT / "docs").rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if (new := renewed(text)) != text:
            old.append(page)
            if write:
                page.write_text(new, encoding="utf-8")
    for page in old:
        print(f"{page.relative_to(ROOT)}: {'renewed' if write else 'differs'}")
    return 1 if old and not write else 0


if __name__ == "__main__":
    sys.exit(main())
