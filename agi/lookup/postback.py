"""The register of jobs whose answers come by postback: each is taken once, for our own number.

A postback is a stranger's word: its job id is all that ties it to a number, and the number is the
one in the register, never one from its body. Nothing here waits or keeps a timer; what is too old
goes when something else happens, and every list has a limit, so a flood costs bounded memory.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Generic, Protocol, TypeVar

from agi.lookup.events import LateAnswer, Observer, PostbackRefused, ignore
from agi.lookup.provider import Answer
from agi.model import Msisdn, Outcome

JOB_S: Final = 900.0
"""Seconds for which a job is known; Data Soap answers within 12 ("API document")."""

EARLY_S: Final = 1.0
"""Seconds for which a postback of an unknown job is kept, while a receipt may still name it."""

MAX_JOBS: Final = 10_000
MAX_EARLY: Final = 256


class Verdict(StrEnum):
    """What became of a postback."""

    TAKEN = "taken"
    EARLY = "early"  # kept: a receipt that is being read may name its job
    REPEATED = "repeated"  # its job was answered before; nothing happens
    UNKNOWN = "unknown"
    MALFORMED = "malformed"  # no postback, or not an answer about the job's number


class Posted(Protocol):
    """A postback that was read, in the form of its vendor."""

    @property
    def job(self) -> str:
        """The job id, as the receipt named it."""


P = TypeVar("P", bound=Posted)


@dataclass(slots=True)
class _Job(Generic[P]):
    """A job that was accepted; ``settled`` when its postback was taken."""

    number: Msisdn = field(repr=False)
    provider: str
    read: Callable[[P, Msisdn], Answer | None] = field(repr=False)
    future: asyncio.Future[Answer] = field(repr=False)
    until: float
    settled: bool = False


class Postbacks(Generic[P]):
    """All jobs of one door.

    Args:
        read: turns a request's body into a postback, None if it is none.
        clock: the monotonic clock, in seconds.
        on_late: is given the account's name and the answer that nobody waits for any more.
        observe: is told of refusals and late answers.
        label: stands for the account in refusals of postbacks that belong to no job.
    """

    def __init__(  # noqa: PLR0913 - each is one thing from outside, by keyword
        self,
        read: Callable[[bytes], P | None],
        *,
        clock: Callable[[], float],
        on_late: Callable[[str, Answer], None],
        observe: Observer = ignore,
        label: str = "",
        max_jobs: int = MAX_JOBS,
        max_early: int = MAX_EARLY,
    ) -> None:
        self._read = read
        self._clock = clock
        self._on_late = on_late
        self._observe = observe
        self._label = label
        self._max_jobs = max_jobs
        self._max_early = max_early
        self._jobs: OrderedDict[bytes, _Job[P]] = OrderedDict()
        self._early: OrderedDict[bytes, tuple[float, P]] = OrderedDict()
        self._submitting = 0

    def __len__(self) -> int:
        """Return how many jobs are waited for."""
        return sum(not job.settled for job in self._jobs.values())

    @contextmanager
    def submitting(self) -> Iterator[None]:
        """Stand around one submission, from before it is sent until ``expect`` was called.

        While one is out, a postback of an unknown job is kept: the vendor may be faster than our
        reading of the receipt.
        """
        self._submitting += 1
        try:
            yield
        finally:
            self._submitting -= 1
            self._forget()

    def expect(
        self,
        job: str,
        number: Msisdn,
        provider: str,
        read: Callable[[P, Msisdn], Answer | None],
    ) -> asyncio.Future[Answer]:
        """Register the job of a receipt; return where its answer will be.

        ``read`` makes the answer for ``number``, None when the postback is about another one.
        Whoever stops to wait cancels the future; the answer then goes to ``on_late``. A job that
        gives way (too old, too many) ends as TEMPORARY. A job id that is registered already
        ends so at once: one postback cannot answer for two numbers.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        key = _key(job)
        if key in self._jobs:
            future.set_result(Answer(number, Outcome.TEMPORARY))
            return future
        self._jobs[key] = _Job(number, provider, read, future, self._clock() + JOB_S)
        early = self._early.pop(key, None)
        if early is not None:
            self._settle(self._jobs[key], early[1])
        self._forget()
        return future

    def deliver(self, body: bytes) -> Verdict:
        """Take the body of one postback."""
        self._forget()
        posted = self._read(body)
        if posted is None:
            return self._refuse(Verdict.MALFORMED, self._label)
        key = _key(posted.job)
        job = self._jobs.get(key)
        if job is not None:
            return self._settle(job, posted)
        if not self._submitting:
            return self._refuse(Verdict.UNKNOWN, self._label)
        if key not in self._early:
            self._early[key] = (self._clock() + EARLY_S, posted)
            self._forget()
        return Verdict.EARLY

    def close(self) -> None:
        """End every job that is waited for as TEMPORARY."""
        for job in self._jobs.values():
            _give_up(job)
        self._jobs.clear()
        self._early.clear()

    def _settle(self, job: _Job[P], posted: P) -> Verdict:
        if job.settled:
            return self._refuse(Verdict.REPEATED, job.provider)
        answer = job.read(posted, job.number)
        if answer is None:
            # The job stays open: whoever posts nonsense must not be able to end it.
            return self._refuse(Verdict.MALFORMED, job.provider)
        job.settled = True
        if not job.future.done():
            job.future.set_result(answer)
        else:
            self._observe(LateAnswer(job.provider))
            self._on_late(job.provider, answer)
        return Verdict.TAKEN

    def _refuse(self, verdict: Verdict, provider: str) -> Verdict:
        self._observe(PostbackRefused(provider, verdict.value))
        return verdict

    def _forget(self) -> None:
        """Let go of what is too old or too many; both lists are in the order of their age."""
        now = self._clock()
        while self._jobs and (len(self._jobs) > self._max_jobs or _first(self._jobs).until <= now):
            _give_up(self._jobs.popitem(last=False)[1])
        while self._early and self._is_stale(now):
            self._early.popitem(last=False)
            self._refuse(Verdict.UNKNOWN, self._label)

    def _is_stale(self, now: float) -> bool:
        too_many = len(self._early) > self._max_early
        return too_many or not self._submitting or _first(self._early)[0] <= now


V = TypeVar("V")


def _first(entries: OrderedDict[bytes, V]) -> V:
    return next(iter(entries.values()))


def _key(job: str) -> bytes:
    """Return what the register compares: a hash, so that timing tells nothing of known ids."""
    return hashlib.sha256(job.encode()).digest()


def _give_up(job: _Job[P]) -> None:
    if not job.future.done():
        job.future.set_result(Answer(job.number, Outcome.TEMPORARY))
