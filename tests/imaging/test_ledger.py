"""Decisions are written down where they are drawn, and can be prescribed."""

import itertools

import pytest
import torch

from sr_experiments.degradations.orders import Orders
from sr_experiments.imaging.ledger import Ledger
from sr_experiments.imaging.random import Draw

POSITIONS = torch.arange(5)


def test_a_decision_stands_on_its_samples_page_under_its_parts_names() -> None:
    ledger = Ledger()
    draw = Draw(0, POSITIONS, ledger=ledger)
    rows = torch.tensor([1, 4])
    part = draw.child("blur").of(rows).child("second").child("")
    sigma = part.within("sigma", (1.0, 2.0))
    kind = draw.one_of("kind", {"a": 1.0, "b": 2.0})
    assert [list(page) for page in ledger.pages] == [
        ["kind"],
        ["blur/second/sigma", "kind"],
        ["kind"],
        ["kind"],
        ["blur/second/sigma", "kind"],
    ]
    assert [ledger.pages[row]["blur/second/sigma"] for row in (1, 4)] == sigma.tolist()
    assert [page["kind"] for page in ledger.pages] == [("a", "b")[number] for number in kind.tolist()]


def test_keeping_a_ledger_changes_no_number() -> None:
    silent, told = Draw(3, POSITIONS), Draw(3, POSITIONS, ledger=Ledger())
    assert torch.equal(silent.within("x", (0, 9)), told.within("x", (0, 9)))
    assert torch.equal(silent.happens("y", 0.5), told.happens("y", 0.5))
    assert torch.equal(silent.one_of("z", {"a": 1, "b": 1}), told.one_of("z", {"a": 1, "b": 1}))


def test_what_is_prescribed_takes_the_place_of_what_is_drawn() -> None:
    free = Draw(0, POSITIONS).within("x", (0.0, 1.0))
    ledger = Ledger([{}, {"x": 0.25}, {"x": 1}])
    bound = Draw(0, POSITIONS, ledger=ledger).within("x", (0.0, 1.0))
    assert bound[1:3].tolist() == [0.25, 1.0]
    assert torch.equal(bound[[0, 3, 4]], free[[0, 3, 4]])
    assert ledger.pages[1]["x"] == 0.25


def test_a_float32_written_down_is_the_same_when_it_is_read_back() -> None:
    ledger = Ledger()
    many = torch.arange(1000)
    drawn = Draw(0, many, ledger=ledger).within("x", (0.1, 0.7))
    again = Draw(1, many, ledger=Ledger(ledger.pages)).within("x", (0.1, 0.7))
    assert torch.equal(drawn, again)


def test_what_nothing_was_asked_for_is_told() -> None:
    ledger = Ledger([{"x": 0.5, "sigma": 1}, {"radius": 2, "sigma": 1}])
    Draw(0, POSITIONS, ledger=ledger).within("x", (0.0, 1.0))
    assert ledger.unknown() == ["sigma", "radius"]


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c", "d"]])
def test_orders_are_numbered_as_itertools_has_them(names: list[str]) -> None:
    expected = [" > ".join(order) for order in itertools.permutations(names)]
    orders = Orders(names)
    assert list(orders) == expected
    assert [orders.index(text) for text in expected] == list(range(len(orders)))
    assert all(text in orders for text in expected)
    assert "a > a" not in orders
