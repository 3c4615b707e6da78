"""The cells that attempts are counted in, and the figures that are read from them.

One cell for each way to end (outcome, seized, marked, cause), one for each span of post-dial
delays, one for beginnings. Delays are kept in spans of 20 ms up to one second and of 2 % beyond,
so a percentile is within 10 ms, and beyond one second within 1 %, of the true one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import accumulate
from typing import Final

from agi.ami.figures import EFFECTIVE, Attempt, Kpi, Outcome
from agi.ami.windows import Window

_OUTCOMES: Final = tuple(Outcome)
_NUMBER: Final = {outcome: index for index, outcome in enumerate(_OUTCOMES)}
_CAUSES: Final = 128

_EVEN_S: Final = 0.02
_EVEN: Final = 50
_GROWTH: Final = math.log(1.02)
_HIGHEST_S: Final = 120.0
_SPANS: Final = _EVEN + math.ceil(math.log(_HIGHEST_S) / _GROWTH)

PDD: Final = len(_OUTCOMES) * 4 * _CAUSES
"""The first cell of the delays."""

BEGAN: Final = PDD + _SPANS
"""The cell of attempts that began."""


def cause_of(attempt: Attempt) -> int:
    """Return its cause; what is none of Q.850 (0 to 127) counts as 127, interworking."""
    return attempt.cause if 0 <= attempt.cause < _CAUSES else _CAUSES - 1


def end_cell(attempt: Attempt) -> int:
    """Return the cell of how an attempt ended."""
    ending = (_NUMBER[attempt.outcome] * 2 + attempt.seized) * 2 + attempt.marked
    return ending * _CAUSES + cause_of(attempt)


def pdd_cell(pdd_s: float) -> int:
    """Return the cell of a post-dial delay; what is longer than two minutes counts as that."""
    if pdd_s < _EVEN * _EVEN_S:
        return PDD + int(max(pdd_s, 0.0) / _EVEN_S)
    return PDD + min(_EVEN + int(math.log(pdd_s) / _GROWTH), _SPANS - 1)


def _bounds(span: int) -> tuple[float, float]:
    if span < _EVEN:
        return span * _EVEN_S, (span + 1) * _EVEN_S
    return math.exp((span - _EVEN) * _GROWTH), math.exp((span - _EVEN + 1) * _GROWTH)


def read(window: Window, seconds: int) -> Kpi:
    """Return the figures of a window."""
    causes: dict[int, int] = {}
    outcomes: dict[str, int] = {}
    seizures = effective = marked = 0
    delays: dict[int, int] = {}
    began = 0
    for cell, count in window.cells.items():
        if cell >= BEGAN:
            began = count
        elif cell >= PDD:
            delays[cell - PDD] = count
        else:
            ending, cause = divmod(cell, _CAUSES)
            outcome = _OUTCOMES[ending >> 2]
            causes[cause] = causes.get(cause, 0) + count
            outcomes[outcome.value] = outcomes.get(outcome.value, 0) + count
            seizures += count * (ending >> 1 & 1)
            marked += count * (ending & 1)
            effective += count * (outcome in EFFECTIVE and ending >> 1 & 1)
    return Kpi(
        window_s=seconds,
        attempts=sum(outcomes.values()),
        seizures=seizures,
        answered=outcomes.get(Outcome.ANSWERED.value, 0),
        effective=effective,
        marked=marked,
        talk_s=window.sums.talk_us / 1e6,
        pdd_s=_percentiles(delays, window.sums.pdd_us),
        cps=began / seconds,
        causes=causes,
        outcomes=outcomes,
    )


def _percentiles(
    delays: Mapping[int, int], sum_us: int
) -> tuple[float | None, float | None, float | None]:
    """Return p50, p95 and mean."""
    if not delays:
        return None, None, None
    spans = sorted(delays)
    upto = list(accumulate(delays[span] for span in spans))
    return _rank(spans, upto, 0.5), _rank(spans, upto, 0.95), sum_us / 1e6 / upto[-1]


def _rank(spans: list[int], upto: list[int], share: float) -> float:
    """Return the middle of the span that holds the sample of this rank."""
    rank = math.ceil(share * upto[-1])
    index = next(i for i, count in enumerate(upto) if count >= rank)
    low, high = _bounds(spans[index])
    return (low + high) / 2
