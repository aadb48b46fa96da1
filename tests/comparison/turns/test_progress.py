"""The line that tells what is measured."""

from comparison.turns.progress import Progress


def test_the_rest_is_guessed_first_and_then_follows_from_the_turns_before() -> None:
    times = iter([100.0, 110.0, 140.0])
    progress = Progress(7.0, clock=lambda: next(times))
    progress.later = 10
    assert progress.turn("20 %: a", 2) == "20 %: a; turns left: 12, about 84 s"
    assert progress.turn("20 %: b", 1) == "20 %: b; turns left: 11, about 110 s"
    progress.later = 8
    assert progress.turn("60 %: a", 2) == "60 %: a; turns left: 10, about 3 min"
