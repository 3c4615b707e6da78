"""The register of jobs: once each, for our own number, bounded whatever strangers post."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from agi.lookup.events import LateAnswer, LookupEvent, PostbackRefused
from agi.lookup.postback import EARLY_S, JOB_S, Postbacks, Verdict
from agi.lookup.provider import Answer
from agi.model import Msisdn, NumberInfo, Outcome

ONE = Msisdn("447700900001")
OTHER = Msisdn("447700900002")
GAVE_WAY = Outcome.TEMPORARY


@dataclass(frozen=True)
class Note:
    """A postback of a vendor that posts ``job:text``."""

    job: str
    text: str


def read(body: bytes) -> Note | None:
    job, colon, text = body.decode().partition(":")
    return Note(job, text) if colon else None


def settle(note: Note, number: Msisdn) -> Answer | None:
    return None if note.text == "stranger" else Answer(number, Outcome.OK, NumberInfo())


@dataclass
class Register:
    """A register whose clock is set by hand, and what it told."""

    max_jobs: int = 100
    max_early: int = 100
    now: float = 0.0
    late: list[tuple[str, Answer]] = field(default_factory=list)
    events: list[LookupEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.jobs: Postbacks[Note] = Postbacks(
            read,
            clock=lambda: self.now,
            on_late=lambda provider, answer: self.late.append((provider, answer)),
            observe=self.events.append,
            label="door",
            max_jobs=self.max_jobs,
            max_early=self.max_early,
        )

    def expect(self, job: str, number: Msisdn = ONE) -> asyncio.Future[Answer]:
        return self.jobs.expect(job, number, "soap", settle)


def on_loop(test: Callable[[], None]) -> None:
    async def run() -> None:
        test()

    asyncio.run(run())


def test_the_answer_is_about_the_registered_number() -> None:
    async def run() -> None:
        register = Register()
        one, other = register.expect("job-1", ONE), register.expect("job-2", OTHER)
        assert Verdict.TAKEN == register.jobs.deliver(b"job-2:yes")
        assert Answer(OTHER, Outcome.OK, NumberInfo()) == await other
        assert not one.done()
        assert 1 == len(register.jobs)
        assert [] == register.events

    asyncio.run(run())


def test_a14_a_job_is_taken_once() -> None:
    def test() -> None:
        register = Register()
        future = register.expect("job-1")
        verdicts = [register.jobs.deliver(b"job-1:yes") for _ in range(3)]
        assert [Verdict.TAKEN, Verdict.REPEATED, Verdict.REPEATED] == verdicts
        assert Outcome.OK == future.result().outcome
        assert [PostbackRefused("soap", "repeated")] * 2 == register.events
        assert [] == register.late

    on_loop(test)


def test_an_unknown_job_is_refused() -> None:
    def test() -> None:
        register = Register()
        register.expect("job-1")
        assert Verdict.UNKNOWN == register.jobs.deliver(b"job-2:yes")
        assert [PostbackRefused("door", "unknown")] == register.events

    on_loop(test)


def test_what_is_no_postback_is_refused() -> None:
    def test() -> None:
        register = Register()
        assert Verdict.MALFORMED == register.jobs.deliver(b"nonsense")
        assert [PostbackRefused("door", "malformed")] == register.events

    on_loop(test)


def test_a_postback_about_another_number_does_not_end_the_job() -> None:
    def test() -> None:
        register = Register()
        future = register.expect("job-1")
        assert Verdict.MALFORMED == register.jobs.deliver(b"job-1:stranger")
        assert [PostbackRefused("soap", "malformed")] == register.events
        assert not future.done()
        assert Verdict.TAKEN == register.jobs.deliver(b"job-1:yes")

    on_loop(test)


def test_an_answer_that_nobody_waits_for_is_handed_over_as_late() -> None:
    def test() -> None:
        register = Register()
        register.expect("job-1").cancel()
        register.now = JOB_S - 1
        assert Verdict.TAKEN == register.jobs.deliver(b"job-1:yes")
        assert [("soap", Answer(ONE, Outcome.OK, NumberInfo()))] == register.late
        assert [LateAnswer("soap")] == register.events
        assert Verdict.REPEATED == register.jobs.deliver(b"job-1:yes")
        assert 1 == len(register.late)

    on_loop(test)


def test_a_job_is_forgotten_after_a_quarter_of_an_hour() -> None:
    def test() -> None:
        register = Register()
        waited, taken = register.expect("job-1"), register.expect("job-2")
        register.jobs.deliver(b"job-2:yes")
        register.now = 900.0
        assert Verdict.UNKNOWN == register.jobs.deliver(b"job-1:yes")
        assert Verdict.UNKNOWN == register.jobs.deliver(b"job-2:yes")
        assert (GAVE_WAY, Outcome.OK) == (waited.result().outcome, taken.result().outcome)

    on_loop(test)


def test_the_oldest_job_gives_way_when_there_are_too_many() -> None:
    def test() -> None:
        register = Register(max_jobs=2)
        futures = [register.expect(f"job-{n}") for n in range(3)]
        assert [True, False, False] == [future.done() for future in futures]
        assert GAVE_WAY == futures[0].result().outcome
        assert Verdict.UNKNOWN == register.jobs.deliver(b"job-0:yes")
        assert Verdict.TAKEN == register.jobs.deliver(b"job-1:yes")

    on_loop(test)


def test_a_job_id_that_is_there_already_does_not_answer_for_two_numbers() -> None:
    def test() -> None:
        register = Register()
        first, second = register.expect("job-1", ONE), register.expect("job-1", OTHER)
        assert Answer(OTHER, GAVE_WAY) == second.result()
        register.jobs.deliver(b"job-1:yes")
        assert ONE == first.result().number

    on_loop(test)


def test_a_postback_that_overtakes_its_receipt_is_kept_for_it() -> None:
    def test() -> None:
        register = Register()
        with register.jobs.submitting():
            assert Verdict.EARLY == register.jobs.deliver(b"job-1:yes")
            assert Verdict.EARLY == register.jobs.deliver(b"job-1:no")
            future = register.expect("job-1")
            assert Outcome.OK == future.result().outcome
        assert Verdict.REPEATED == register.jobs.deliver(b"job-1:yes")
        assert [] == register.late

    on_loop(test)


def test_an_early_postback_is_unknown_when_no_submission_is_out() -> None:
    def test() -> None:
        register = Register()
        with register.jobs.submitting(), register.jobs.submitting():
            register.jobs.deliver(b"job-1:yes")
        assert [PostbackRefused("door", "unknown")] == register.events
        assert not register.expect("job-1").done()

    on_loop(test)


def test_an_early_postback_is_kept_for_a_second() -> None:
    def test() -> None:
        register = Register()
        with register.jobs.submitting():
            register.jobs.deliver(b"job-1:yes")
            register.now = EARLY_S
            register.jobs.deliver(b"job-2:yes")
            assert [PostbackRefused("door", "unknown")] == register.events
            assert not register.expect("job-1").done()
            assert register.expect("job-2").done()

    on_loop(test)


def test_early_postbacks_are_bounded() -> None:
    def test() -> None:
        register = Register(max_early=3)
        with register.jobs.submitting():
            for n in range(1_000):
                register.jobs.deliver(f"job-{n}:yes".encode())
            assert 997 == len(register.events)
            assert not register.expect("job-0").done()
            assert register.expect("job-999").done()

    on_loop(test)


def test_a_postback_of_an_early_stranger_leaves_the_job_open() -> None:
    def test() -> None:
        register = Register()
        with register.jobs.submitting():
            register.jobs.deliver(b"job-1:stranger")
            assert not register.expect("job-1").done()
        assert Verdict.TAKEN == register.jobs.deliver(b"job-1:yes")

    on_loop(test)


def test_close_ends_whoever_waits() -> None:
    async def run() -> None:
        register = Register()
        future = register.expect("job-1")
        register.jobs.close()
        assert Answer(ONE, GAVE_WAY) == await future
        assert 0 == len(register.jobs)

    asyncio.run(run())


def test_no_number_is_in_any_repr() -> None:
    def test() -> None:
        register = Register()
        register.expect("job-1")
        assert ONE not in repr([register.jobs, vars(register.jobs)])

    on_loop(test)
