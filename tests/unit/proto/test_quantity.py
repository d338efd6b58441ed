"""Quantities as Kubernetes reads them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.k8s.quantity import InvalidQuantity, milli, parse, units


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"), ("100m", "0.1"), ("1.5Gi", "1610612736"), ("2e3", "2000"), ("2E3", "2000"), ("1E", "1e18"),
        ("+1k", "1000"), ("-1", "-1"), (".5", "0.5"), ("5.", "5"), ("1n", "1e-9"), ("1u", "1e-6"), ("128974848", "128974848"),
        ("1Ei", str(2**60)), ("129e6", "129000000"), ("123Mi", "128974848"), ("1e-3", "0.001"),
    ],
)  # fmt: skip
def test_kubernetes_examples(text: str, value: str) -> None:
    assert parse(text) == Decimal(value)


@pytest.mark.parametrize(
    "text", ["", "1K", "Gi", "1 Gi", "1gi", "1e", "--1", "1.2.3", "0x10", "1_000", "１", "NaN", "inf", "1Mi\n"]
)
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(InvalidQuantity):
        parse(text)


def test_values_round_up() -> None:
    assert units("1.1") == 2
    assert units("100m") == 1
    assert milli("1.0001") == 1001
    assert milli("0.5") == 500
    assert units("-1.5") == -1


def test_numbers_are_read_too() -> None:
    assert parse(2) == 2
    assert parse(0.5) == Decimal("0.5")
    assert parse(1e-7) == Decimal("1e-7")


@given(st.integers(-(10**15), 10**15), st.sampled_from(["", "k", "M", "Ki", "Mi", "Gi"]))
def test_whole_numbers_with_suffix_are_exact(number: int, suffix: str) -> None:
    factor = {"": 1, "k": 10**3, "M": 10**6, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}[suffix]
    assert units(f"{number}{suffix}") == number * factor
    assert milli(f"{number}{suffix}") == number * factor * 1000
