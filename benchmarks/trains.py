"""What benchmarks that train as somebody would type it have in common."""

import argparse
import subprocess
import sys
from pathlib import Path


def run(*arguments: str) -> None:
    """`python -m sr_experiments`, shown as it goes."""
    subprocess.run([sys.executable, "-m", "sr_experiments", *arguments], check=True)


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """With the option that keeps what is trained."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, help="a folder that keeps the runs")
    return parser


def parsed(parser: argparse.ArgumentParser) -> tuple[argparse.Namespace, list[str]]:
    """The options, and what stands behind them: KEY=VALUE for every training."""
    options, arguments = parser.parse_known_args()
    if unknown := [one for one in arguments if "=" not in one]:
        parser.error(f"{unknown[0]}: neither an option nor KEY=VALUE")
    return options, arguments
