"""How trunks stand: up, degraded, down or on trial, by what their latest attempts came to.

A row of failures or a share of them takes a trunk down; after a while it is put on trial, and what
it does with the few calls it then gets decides. A person's pin goes before all that. Times are
instants of one clock, in seconds; nothing here looks at a clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from agi.routing.standing import Standing, State

TRIAL_GOOD: Final = 5
"""So many good attempts on trial, and no bad one, bring a trunk up."""

CALM: Final = 4
"""A trunk that stayed up for so many times the longest retry begins with the shortest again."""

NEWS_S: Final = 90.0
"""What Asterisk said of a trunk's reachability counts for so long; it is asked every 30 s."""

FADING: Final = 0.99
"""What an attempt counts for quality against the one after it: about the last 200 matter."""

_PRIOR: Final = 1.0
_LEAST_RETRY: Final = 1.0

Observer = Callable[[str, State, State, str], None]
"""Told of each change: trunk, state before, state after, and why, for people."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a trunk is passed over: the values of ``[health]``, see ``agi.settings.Health``.

    ``window`` and ``min_samples`` are attempts, ``down_row`` failures in a row, shares are of
    failures in the window, ``retry_s`` and ``longest_retry_s`` seconds. ``trial_share`` is the
    routers' business.
    """

    enabled: bool = True
    window: int = 20
    min_samples: int = 10
    down_row: int = 5
    down_share: float = 0.6
    degraded_share: float = 0.3
    up_share: float = 0.15
    retry_s: float = 10
    longest_retry_s: float = 25
    trial_share: float = 0.1


class Pin(msgspec.Struct, frozen=True, gc=False):
    """A person's word on a trunk, until an instant."""

    state: State
    until: float
    why: str = ""


class Health:
    """The health of all trunks.

    Args:
        thresholds: when states change.
        observer: told of each change of a trunk's state, a pin's too, as it happens.
    """

    def __init__(self, thresholds: Thresholds, observer: Observer) -> None:
        self._thresholds = thresholds
        self._observer = observer
        self._tracks: dict[str, _Track] = {}

    def keep(self, trunks: Collection[str]) -> None:
        """Know these trunks and no others: those of the tables in force."""
        self._tracks = {name: self._of(name) for name in trunks}

    def sample(  # noqa: PLR0913 - what is known of one attempt, the rarer things by keyword
        self,
        trunk: str,
        good: bool,
        at: float,
        began: float | None = None,
        *,
        proved: bool = False,
        what: str = "",
    ) -> None:
        """Take how one attempt ended.

        Args:
            trunk: its name.
            good: the trunk did its part, whatever the called user did.
            at: when that was known.
            began: when the attempt began, if known: one that began before a trial is none of it.
            proved: the same attempt was a good sample before. A bad one then stands in its place:
                a trunk that sends progress before each failure is no better for it.
            what: how a bad one failed, for people: part of the reason if it changes the state.
        """
        track = self._of(trunk)
        before = track.state
        if proved and not good:
            track.retract()
        track.sample(good, at, at if began is None else began, f", {what}" if what else "")
        self._tell(trunk, before)

    def reach(self, trunk: str, ok: bool, at: float, by: str = "") -> None:
        """Take whether a PBX can reach the trunk (its qualify state); ``by`` names the PBX.

        A trunk that no PBX can reach is down at once; when one can again, it is on trial.
        """
        track = self._of(trunk)
        before = track.state
        track.reach(ok, at, by)
        self._tell(trunk, before)

    def pin(self, trunk: str, state: State, until: float, why: str) -> None:
        """Hold a trunk in a state until an instant, whatever its attempts come to."""
        track = self._of(trunk)
        before = track.state
        track.pin = Pin(state, until, why)
        self._tell(trunk, before)

    def unpin(self, trunk: str) -> None:
        """Let a trunk go back to the state that its attempts have earned meanwhile."""
        track = self._of(trunk)
        before = track.state
        track.pin = None
        self._tell(trunk, before)

    def tick(self, at: float) -> None:
        """Do what time does: trials begin, pins and old news end. To be called each second."""
        for trunk, track in list(self._tracks.items()):  # the observer may ask for standings
            before = track.state
            track.tick(at)
            self._tell(trunk, before)

    def standings(self, at: float, calls: Mapping[str, int] | None = None) -> dict[str, Standing]:
        """Return how every known trunk stands.

        Args:
            at: now; ``tick`` is done first.
            calls: calls up by trunk, one that is not in it has none; None when nobody can say.
        """
        self.tick(at)
        for trunk in calls or ():
            self._of(trunk)
        return {
            trunk: track.standing(None if calls is None else calls.get(trunk, 0))
            for trunk, track in self._tracks.items()
        }

    def _of(self, trunk: str) -> _Track:
        track = self._tracks.get(trunk)
        if track is None:
            track = self._tracks[trunk] = _Track(self._thresholds)
        return track

    def _tell(self, trunk: str, before: State) -> None:
        track = self._tracks[trunk]
        if track.state is not before:
            self._observer(trunk, before, track.state, track.why)


class _Track:
    """One trunk. ``_automatic`` is the state that it earned, a pin stands before it."""

    __slots__ = (
        *("_automatic", "_counted", "_good", "_heard", "_of", "_reason", "_retry_s"),
        *("_samples", "_since", "_trial_good", "pin"),
    )

    def __init__(self, thresholds: Thresholds) -> None:
        self.pin: Pin | None = None
        self._of = thresholds
        self._automatic = State.UP
        self._reason = ""
        self._since = float("-inf")
        self._samples: deque[bool] = deque(maxlen=thresholds.window)
        self._retry_s = 0.0
        self._trial_good = 0
        self._good = 0.0
        self._counted = 0.0
        self._heard: dict[str, tuple[bool, float]] = {}

    @property
    def state(self) -> State:
        """The state that counts."""
        return self._automatic if self.pin is None else self.pin.state

    @property
    def why(self) -> str:
        """Why it is in that state, for people."""
        return self._reason if self.pin is None else self.pin.why

    def standing(self, calls: int | None) -> Standing:
        """Return it as routers are told it."""
        return Standing(self.state, self.pin is not None, self._quality(), calls, self.why)

    def _quality(self) -> float | None:
        """Return the share of good attempts: the mean of Beta(1 + good, 1 + bad).

        This is Laplace's rule of succession over attempts whose weight fades by 1 % each, so a
        trunk with few attempts is neither perfect nor hopeless. A trunk out of reach has none.
        """
        if self._unreachable():
            return 0.0
        if self._counted < (1 - FADING**self._of.min_samples) / (1 - FADING) - 1e-9:
            return None
        return round((self._good + _PRIOR) / (self._counted + 2 * _PRIOR), 4)

    def retract(self) -> None:
        """Take back the latest good sample."""
        if self._good >= 1 and self._counted >= 1:
            self._good -= 1
            self._counted -= 1
        latest = next((n for n, good in enumerate(reversed(self._samples), 1) if good), 0)
        if latest:
            del self._samples[-latest]

    def sample(self, good: bool, at: float, began: float, what: str) -> None:
        self._good = FADING * self._good + good
        self._counted = FADING * self._counted + 1
        if not self._of.enabled:
            return
        if self._automatic is State.TRIAL:
            self._tried(good, at, began, what)
        elif self._automatic is not State.DOWN and began >= self._since:
            self._samples.append(good)
            self._judge(at, what)

    def _tried(self, good: bool, at: float, began: float, what: str) -> None:
        if began < self._since:
            return
        if not good:
            self._fall(at, f"an attempt on trial failed{what}")
            return
        self._trial_good += 1
        if self._trial_good >= TRIAL_GOOD:
            self._become(State.UP, at, f"{TRIAL_GOOD} attempts on trial went well")

    def _judge(self, at: float, what: str) -> None:
        of, latest = self._of, list(self._samples)
        count, bad = len(latest), latest.count(False)
        share = bad / count
        if count >= of.down_row and not any(latest[-of.down_row :]):
            self._fall(at, f"{of.down_row} failures in a row{what}")
        elif count < min(of.min_samples, of.window):
            return
        elif share >= of.down_share:
            self._fall(at, f"{bad} of the last {count} attempts failed{what}")
        elif self._automatic is State.UP and share >= of.degraded_share:
            self._set(State.DEGRADED, f"{bad} of the last {count} attempts failed{what}")
        elif self._automatic is State.DEGRADED and share < min(of.up_share, of.degraded_share):
            self._set(State.UP, f"{bad} of the last {count} attempts failed")

    def reach(self, ok: bool, at: float, by: str) -> None:
        before = self._unreachable()
        self._heard[by] = (ok, at)
        if self._of.enabled:
            self._reached(before, at)

    def tick(self, at: float) -> None:
        if self.pin is not None and self.pin.until <= at:
            self.pin = None
        before = self._unreachable()
        self._heard = {by: one for by, one in self._heard.items() if at - one[1] < NEWS_S}
        if not self._of.enabled:
            return
        self._reached(before, at)
        down = self._automatic is State.DOWN and not self._unreachable()
        if down and at - self._since >= self._retry_s:
            self._become(State.TRIAL, at, f"on trial after {self._retry_s:g} s")

    def _unreachable(self) -> bool:
        return bool(self._heard) and not any(ok for ok, _ in self._heard.values())

    def _reached(self, before: bool, at: float) -> None:
        gone = self._unreachable()
        if gone and self._automatic is not State.DOWN:
            self._fall(at, "Asterisk cannot reach it (qualify)")
        elif gone and not before:
            self._reason = "Asterisk cannot reach it (qualify)"
        elif before and not gone and self._automatic is State.DOWN:
            self._become(State.TRIAL, at, "Asterisk reaches it again")

    def _fall(self, at: float, why: str) -> None:
        """Go down, for longer each time, unless it was well for a while."""
        of = self._of
        calm = self._automatic is not State.TRIAL and at - self._since >= CALM * of.longest_retry_s
        longer = of.retry_s if calm or not self._retry_s else 2 * self._retry_s
        self._retry_s = max(min(longer, of.longest_retry_s), _LEAST_RETRY)
        self._become(State.DOWN, at, why)

    def _become(self, state: State, at: float, why: str) -> None:
        self._set(state, why)
        self._since = at
        self._trial_good = 0
        self._samples.clear()

    def _set(self, state: State, why: str) -> None:
        self._automatic = state
        self._reason = why
