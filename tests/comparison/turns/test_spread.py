"""The spread of a figure."""

from comparison.turns.spread import Spread, spread_of


def test_a_spread_is_of_the_known_values() -> None:
    assert spread_of([3.0, None, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert spread_of([1.0, 2.0]) == Spread(1.5, 1.0, 2.0)
    assert spread_of([None]) is None
