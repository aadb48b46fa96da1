"""The order of the servers in a round, and the choice of the rounds that count."""

from comparison.turns.rounds import MAX_SLOWDOWN, Load, Round, kept_rounds, next_number, order_of

CALM, DISTURBED = 1.1, 1.5


def round_(number: int, slowdown: float) -> Round:
    return Round(number, [1.0, slowdown, 1.0], {})


def numbers_run(slowdowns: list[float], num_rounds: int) -> list[int]:
    """The numbers of the rounds that run if the machine slows down so much in one after another."""
    rounds: list[Round] = []
    while (number := next_number(rounds, num_rounds)) is not None:
        rounds.append(round_(number, slowdowns[len(rounds)]))
    return [found.number for found in rounds]


def test_each_round_starts_with_another_server() -> None:
    assert [order_of(["a", "b", "c"], number) for number in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]
    assert order_of([], 1) == []


def test_a_round_is_calm_up_to_the_limit() -> None:
    assert round_(0, MAX_SLOWDOWN).is_calm
    assert not round_(0, MAX_SLOWDOWN + 0.01).is_calm


def test_calm_rounds_are_not_redone() -> None:
    assert numbers_run([CALM] * 3, 3) == [0, 1, 2]


def test_a_disturbed_round_is_redone_after_the_others_until_it_is_calm() -> None:
    assert numbers_run([CALM, DISTURBED, CALM, DISTURBED, CALM], 3) == [0, 1, 2, 1, 1]


def test_disturbed_rounds_are_redone_in_turn() -> None:
    assert numbers_run([DISTURBED, CALM, DISTURBED, DISTURBED, CALM, CALM], 3) == [0, 1, 2, 0, 2, 0]


def test_there_are_at_most_as_many_extra_rounds_as_rounds() -> None:
    assert numbers_run([DISTURBED] * 10, 3) == [0, 1, 2, 0, 1, 2]
    assert numbers_run([DISTURBED] * 10, 1) == [0, 0]


def test_of_each_number_the_calmest_round_is_kept() -> None:
    rounds = [round_(0, 1.5), round_(1, 1.1), round_(0, 1.3), round_(0, 1.4)]
    assert kept_rounds(rounds) == [rounds[2], rounds[1]]
    assert Load(None, None, rounds).kept == [rounds[2], rounds[1]]


def test_a_load_is_named_by_its_share() -> None:
    assert [Load(None, None).name, Load(0.6, 10.0).name] == ["capacity", "60 %"]
