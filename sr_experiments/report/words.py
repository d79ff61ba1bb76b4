"""Numbers as tables give them, and what a comparison says in a sentence."""

import math
import re

from sr_experiments.metrics.protocol import decimals_of, unit_of
from sr_experiments.report.statistics import Comparison


def number(value: float | None, metric: str, *, signed: bool = False, more: int = 0) -> str:
    """A metric's value; a dash where there is none. A minus is ASCII's, so that a copied number is one.

    Args:
        value: None, or any number.
        metric: Whose: it has its decimals.
        signed: Whether a plus stands before what is positive.
        more: Decimals beside the usual ones.
    """
    if value is None or math.isnan(value):
        return "-"
    text = f"{value:{'+' if signed else ''}.{decimals_of(metric) + more}f}"
    return text if text.strip("+-0.") else text.lstrip("+-")  # no sign before a zero


def shown_difference(value: float, other: float, metric: str) -> float:
    """The difference of two values as `number` shows them, so that a reader who subtracts agrees.

    Rounded after subtracting, that of 30.18 and 29.38 was at times shown as 0.81.
    """
    decimals = decimals_of(metric)
    return float(f"{value:.{decimals}f}") - float(f"{other:.{decimals}f}")


def tex(text: str) -> str:
    """A cell of a table as LaTeX takes it."""
    if re.fullmatch(r"[+-][\d.]+", text):
        return f"${text}$"
    text = text.replace("\\", "/")
    for character in "&%$#_{}":
        text = text.replace(character, f"\\{character}")
    for sign, written in (("±", r"$\pm$"), ("^", r"\^{}"), ("~", r"\~{}")):
        text = text.replace(sign, written)
    return text


def count(value: float | None) -> str:
    """A large number in three digits: 1.52 M."""
    if value is None:
        return "-"
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.3g}"


def chance(p: float) -> str:
    """``p = 0.031``, ``p < 0.0001``."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def sentence(a: str, b: str, compared: Comparison | None, *, metric: str) -> str:
    """What may be said of two configurations.

    Args:
        a: The first one's label.
        b: The second one's.
        compared: a against b; None if a value is not finite.
        metric: That was compared.
    """
    if compared is None:
        return f"{a} and {b} can not be compared: {metric} of an image is not finite."
    unit = f" {unit_of(metric)}" if unit_of(metric) else ""
    ahead = compared.swapped() if compared.verdict == "worse" else compared
    ends = f"{number(ahead.low, metric, more=1)} to {number(ahead.high, metric, more=1)}"
    evidence = f"(95 % interval {ends}, {chance(compared.p)})"
    amount = f"{number(ahead.gain, metric, more=1)}{unit}"
    if compared.verdict != "not distinguishable":
        return f"{a} is {compared.verdict} than {b} in {metric} by {amount} {evidence}."
    why = f": {compared.reason}" if compared.reason else ""
    return f"{a} and {b} are not distinguishable in {metric}{why}. The first is ahead by {amount} {evidence}."
