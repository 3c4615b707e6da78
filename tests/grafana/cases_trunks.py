"""What is alerted of trunks."""

from __future__ import annotations

from tests.grafana.cases import CRITICAL, Case, answers, pinned, state

UK_A = (("trunk", "uk-a"),)

CASES = [
    Case(
        "DialdipTrunkDown",
        "health took it out",
        {**state("uk-a", "0 1x10"), **pinned("uk-a", "0x10")},
        "3m",
        "Trunk uk-a is down on a:8080: it is tried last",
        (*UK_A, ("state", "down")),
    ),
    Case(
        "DialdipTrunkDown",
        "a person took it out",
        {**state("uk-a", "0 1x10"), **pinned("uk-a", "0 1x10")},
        "3m",
    ),
    Case(
        "DialdipMostTrunksDown",
        "two of three",
        {**state("uk-a", "1x10"), **state("uk-b", "1x10"), **state("uk-c", "0x10")},
        "3m",
        "2 trunks, half of all or more, are down on a:8080",
        severity=CRITICAL,
    ),
    Case(
        "DialdipMostTrunksDown",
        "one of three",
        {**state("uk-a", "1x10"), **state("uk-b", "0x10"), **state("uk-c", "0x10")},
        "3m",
    ),
    Case(
        "DialdipMostTrunksDown",
        "two of three, one by a person",
        {
            **state("uk-a", "1x10"),
            **state("uk-b", "1x10"),
            **state("uk-c", "0x10"),
            **pinned("uk-a", "1x10"),
        },
        "3m",
    ),
    Case(
        "DialdipTrunkFlaps",
        "it goes and comes every two minutes",
        state("uk-a", " ".join(["0 0 1 1"] * 30)),
        "58m",
        "Trunk uk-a went down and came back 58 times within the hour",
        (*UK_A, ("state", "down")),
    ),
    Case("DialdipTrunkFlaps", "it went once", state("uk-a", "0x50 1x50"), "50m"),
    Case(
        "DialdipTrunkPinned",
        "somebody forgot it",
        pinned("uk-a", "0 1x300"),
        "25h",
        "Trunk uk-a has been pinned for a day: is it still meant?",
        UK_A,
        step="5m",
    ),
    Case(
        "DialdipTrunkPinned",
        "for an hour",
        pinned("uk-a", "0 1x12 0x300"),
        "25h",
        step="5m",
    ),
    Case(
        "DialdipAsrDrop",
        "of 600 calls an hour 70 % were answered, now 20 %",
        answers("0+50x300", "0+35x290 10160+10x10"),
        "1495m",
        "Trunk uk-a answers 20% of its calls, far less than in the day before",
        UK_A,
        step="5m",
    ),
    Case(
        "DialdipAsrDrop",
        "it answers as ever",
        answers("0+50x300", "0+35x300"),
        "1495m",
        step="5m",
    ),
    Case(
        "DialdipAsrDrop",
        "too few calls to tell",
        answers("0+5x300", "0+3.5x290 1016+1x10"),
        "1495m",
        step="5m",
    ),
]
