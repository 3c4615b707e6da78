"""The breaker of a cache server."""

from agi.lookup.tiers.gate import Gate


def shut(draw: float = 0.5) -> Gate:
    gate = Gate(lambda: draw)
    assert [False] * 4 + [True] == [gate.failed(0.0) for _ in range(5)]
    return gate


def test_the_fifth_failure_in_a_row_shuts_it_for_a_second() -> None:
    gate = shut()
    assert [False, True] == [gate.available(0.99), gate.available(1.0)]


def test_an_answer_in_between_begins_the_count_anew() -> None:
    gate = Gate(lambda: 0.5)
    for _ in range(4):
        gate.failed(0.0)
    gate.passed()
    assert not gate.failed(0.0)
    assert gate.available(0.0)


def test_the_first_pause_is_a_second_give_or_take_a_fifth() -> None:
    assert [False, True] == [shut(0.0).available(0.79), shut(0.0).available(0.81)]
    assert [False, True] == [shut(1.0).available(1.19), shut(1.0).available(1.21)]


def test_one_question_at_a_time_tries_a_shut_gate() -> None:
    gate = shut()
    assert [True, False] == [gate.admit(1.0), gate.admit(1.0)]
    gate.passed()
    assert [True, True] == [gate.admit(1.0), gate.admit(1.0)]


def test_each_failed_try_doubles_the_pause_up_to_half_a_minute() -> None:
    gate = shut()
    now, pauses = 1.0, []
    for _ in range(7):
        assert gate.admit(now)
        assert not gate.failed(now)
        step = next(s for s in range(1, 100) if gate.available(now + s))
        pauses.append(step)
        now += step
    assert [2, 4, 8, 16, 30, 30, 30] == pauses


def test_a_late_failure_of_a_question_from_before_does_not_lengthen_the_pause() -> None:
    gate = shut()
    assert not gate.failed(0.9)
    assert gate.available(1.0)
