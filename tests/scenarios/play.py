"""Plays a scenario: its steps on the stage, its checks against what the dialplan would have got."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

from pydantic import ValidationError

from agi.fastagi.client import read_variables
from agi.fastagi.protocol import EnvironmentReader
from agi.model import Msisdn
from tests.fastagi.wire import environment
from tests.scenarios import language
from tests.scenarios.answers import ANSWERS, Call, compare, differs, shown
from tests.scenarios.behaviour import DOES, SAYS, Flap, Manner
from tests.scenarios.language import Option, Step
from tests.scenarios.site import account_of
from tests.scenarios.world import Stage

TOLERANCE_S: Final = 0.005
"""How much later than D an answer may be: nothing in virtual time takes longer than it says."""

_PRODUCTS: Final = {
    "hlr": ("hlr", "HLR", "mnp", "text", "json"),
    "fraud": ("fraudcheck",),
    "tps": ("TPS",),
    "unsubscribe": ("Unsubscribe",),
    "landline": ("Landline",),
}


class Play:
    """One scenario being played; ``tell`` gets a line for each thing that happens."""

    def __init__(self, stage: Stage, tell: Callable[[str], None] = lambda _: None) -> None:
        self.stage = stage
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._deadline_s = stage.site.config.fastagi.deadline_ms / 1000
        self._calls: dict[str, list[Call]] = {}
        self._last: list[Call] = []
        self._all: list[Call] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._before: dict[str, Any] = {}
        self._step: Step | None = None
        self._count_from_here()

    async def play(self, steps: list[Step]) -> None:
        """Play the steps; raises at the first check that does not hold."""
        verbs: dict[str, Callable[[Step], Coroutine[Any, Any, None]]] = {
            name.lower(): getattr(self, f"_do_{name.lower()}") for name in language.VERBS
        }
        for step in steps:
            self._step = step
            now = self._loop.time() - self._began
            self._tell(f"{now:12.3f} s  {step.text}")
            await verbs[step.verb.lower()](step)
            self._no_trouble(step)

    async def end(self, last: Step) -> None:
        """Wait for every call; each must have been answered in time, whatever happened."""
        await self._answered(last)
        for call in self._all:
            if call.hung_up:
                continue
            if call.seconds is None or call.told.get("CARRIER_COMMIT") != "1795231889.102":
                last.fail("a call was never answered with a commit")
            if call.seconds > call.deadline_s + TOLERANCE_S:
                last.fail(f"a call waited {call.seconds:.3f} s, its deadline is {call.deadline_s}")
        self._no_trouble(last)

    def _no_trouble(self, step: Step) -> None:
        if self.stage.trouble:
            step.fail(f"the event loop was told of trouble: {self.stage.trouble[0]}")

    # ---- calls ---------------------------------------------------------------------------

    async def _do_call(self, step: Step) -> None:
        if len(step.words) != 1:
            step.wrong("one number is called")
        said = step.settings(
            "n", "distinct", "account", "max_age", "deadline", "router", "nodip", "as", "hangup"
        )
        many = int(said.get("n", said.get("distinct", "1")))
        self._last = self._calls.setdefault(said.get("as", ""), [])
        self._last.clear()
        for index in range(many):
            number = _next(step.words[0], index if "distinct" in said else 0)
            self._place(number, said, index)
        await _settle()

    async def _do_load(self, step: Step) -> None:
        try:
            per_second, _, seconds, _, first = step.words
            count = int(float(per_second) * float(seconds))
        except ValueError:
            step.wrong("a load has a rate, a time and a first number")
        said = step.settings("numbers", "account", "as", "max_age")
        self._last = self._calls.setdefault(said.get("as", ""), [])
        self._last.clear()
        numbers = int(said.get("numbers", count))
        placing = self._load(float(per_second), count, numbers, first, said, self._last)
        self._tasks.append(self._loop.create_task(placing))
        await _settle()

    async def _load(  # noqa: PLR0917 - the words of one step
        self,
        per_second: float,
        count: int,
        numbers: int,
        first: str,
        said: dict[str, str],
        into: list[Call],
    ) -> None:
        began = self._loop.time()
        for index in range(count):
            due = began + index / per_second
            if due > self._loop.time():
                await asyncio.sleep(due - self._loop.time())
            self._place(_next(first, index % numbers), said, index, into)

    def _place(
        self, number: str, said: dict[str, str], index: int, into: list[Call] | None = None
    ) -> None:
        deadline_s = min(self._deadline_s, float(said.get("deadline", 1e9)) / 1000)
        call = Call(number, self._loop.time(), deadline_s)
        (self._last if into is None else into).append(call)
        self._all.append(call)
        script = f"route?n={number}"
        for key, name in (("account", "a"), ("max_age", "age"), ("deadline", "d")):
            script += f"&{name}={said[key]}" if key in said else ""
        script += "&nodip=1" if said.get("nodip") == "yes" else ""
        routers = self.stage.routers
        router = routers[(int(said["router"]) - 1) if "router" in said else index % len(routers)]
        task = self._loop.create_task(self._answer(call, script, router))
        self._tasks.append(task)
        if "hangup" in said:
            call.hung_up = True
            self._loop.call_later(float(said["hangup"]) / 1000, task.cancel)

    async def _answer(self, call: Call, script: str, router: Any) -> None:
        asked = EnvironmentReader().feed(environment(script))
        prepared = router(asked, call.began)
        if asyncio.iscoroutine(prepared):
            prepared = await prepared
        call.seconds = self._loop.time() - call.began
        call.told = read_variables(prepared.line)
        if len(self._tasks) < 50:
            shown = {k.removeprefix("CARRIER_").lower(): v for k, v in call.told.items() if v}
            for hidden in ("commit", "id", "table", "count", "country", "ring_1", "tech_1"):
                shown.pop(hidden, None)
            self._tell(f"                  {call.seconds * 1000:.0f} ms: {shown}")

    async def _answered(self, step: Step) -> None:
        done = await asyncio.gather(*self._tasks, return_exceptions=True)
        # A load goes on placing calls while others are awaited.
        while any(not task.done() for task in self._tasks):
            done = await asyncio.gather(*self._tasks, return_exceptions=True)
        for result in done:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                step.fail(f"a call failed inside: {type(result).__name__}: {result}")

    # ---- time, processes, disk -----------------------------------------------------------

    async def _do_wait(self, step: Step) -> None:
        await self._answered(step)

    async def _do_time_passes(self, step: Step) -> None:
        await asyncio.sleep(step.number(0, "seconds"))

    async def _do_wall_clock(self, step: Step) -> None:
        self.stage.disk.wall_shift_s += step.number(0, "seconds")

    async def _do_restart(self, step: Step) -> None:
        await self._again(step, crash=False)

    async def _do_crash(self, step: Step) -> None:
        await self._again(step, crash=True)

    async def _again(self, step: Step, *, crash: bool) -> None:
        which = step.words or ("dipper", "routers")
        if "dipper" in which:
            await self.stage.stop_dipper(crash=crash)
            await self.stage.start_dipper()
        if "routers" in which:
            self.stage.start_routers()

    async def _do_dipper(self, step: Step) -> None:
        if step.words == ("gone",):
            await self.stage.stop_dipper()
        elif step.words == ("back",):
            await self.stage.start_dipper()
        else:
            step.wrong("the dipper is gone or back")

    async def _do_store(self, step: Step) -> None:
        disk = self.stage.disk
        match step.words:
            case ("empty",):
                disk.answers.clear()
            case ("dead" | "works" as how,):
                disk.store_works = how == "works"
            case ("slow", _):
                disk.store_ms = step.number(1, "milliseconds")
            case _:
                step.wrong("a store is empty, dead, slow, or works")

    async def _do_forget(self, step: Step) -> None:
        number = Msisdn(step.words[0].removeprefix("+"))
        if self.stage.dipper is not None:
            await self.stage.dipper.forget(number)
        for router in self.stage.routers:
            router.nearby.drop(number)

    async def _do_reload(self, step: Step) -> None:
        site, dipper = self.stage.site, self.stage.dipper
        values = site.config.model_dump()
        if step.words[0] in {"fresh", "stale"}:
            part = values["cache"][f"{step.words[0]}_s"]
            part.update({key: int(value) for key, value in step.settings().items()})
        elif step.words[0] == "provider":
            changed = account_of(step)
            for account in values["providers"]:
                if account["name"] == step.words[1]:
                    account.update(changed)
        else:
            step.wrong("what is reloaded is a provider, fresh or stale")
        for account in values["providers"]:
            for key in ("price", "daily_budget"):
                account[key] = None if account[key] is None else str(account[key])
        try:
            site.config = type(site.config).model_validate(values)
        except ValidationError as bad:
            step.fail(str(bad.errors()[0]["msg"]))
        if dipper is not None:
            await dipper.reload(site.loaded())

    # ---- providers -----------------------------------------------------------------------

    async def _do_config(self, step: Step) -> None:
        step.fail("CONFIG lines come before everything else")

    async def _do_provider(self, step: Step) -> None:
        name, *words = step.words or ("",)
        known = [one.name for one in self.stage.site.config.providers]
        if name not in known:
            step.wrong(f"no provider is called {name}: {', '.join(known)}")
        part = self.stage.provider(name).part
        if words[:1] == ["FOR"] and len(words) > 2:
            whom, words = words[1], words[2:]
            manner = self._manner(step, words)
            if whom.startswith("+"):
                part.numbers[Msisdn(whom[1:])] = manner
                return
            if whom not in _PRODUCTS:
                step.wrong(f"FOR +NUMBER or FOR {'|'.join(_PRODUCTS)}")
            part.products.update(dict.fromkeys(_PRODUCTS[whom], manner))
            return
        match words:
            case ["FLAP", up, down, *more]:
                manner = self._manner(step, more or ["REFUSE"])
                part.flap = Flap(float(up), float(down), manner, self._loop.time())
            case ["STEADY"]:
                part.flap = None
            case ["THROTTLE", most, *after]:
                part.throttle_per_s, part.throttle_after = int(most), "".join(after)
            case ["POSTBACK", "NEVER" | "TWICE" as how, *after]:
                part.postback, part.postback_ms = how, float(after[0] if after else 300)
            case ["POSTBACK", after_ms]:
                part.postback, part.postback_ms = "", float(after_ms)
            case _:
                part.everybody = self._manner(step, words)

    def _manner(self, step: Step, words: list[str]) -> Manner:
        does, *rest = words or [""]
        if does not in SAYS and does not in DOES:
            step.wrong(f"{does or 'nothing'} is no way to behave ({', '.join((*SAYS, *DOES))})")
        after, retry, value = 50.0, "", ""
        while rest:
            word = rest.pop(0)
            if word == "AFTER" and rest:
                after = float(rest.pop(0))
            elif word == "RETRY_AFTER" and rest:
                retry = rest.pop(0)
            elif not value:
                value = word
            else:
                step.wrong(f"{word} says nothing here")
        more = step.settings("ported", "credits")
        return Manner(does, value, after, retry, more)

    # ---- checks --------------------------------------------------------------------------

    async def _do_count_from_here(self, step: Step) -> None:
        del step
        self._count_from_here()

    def _count_from_here(self) -> None:
        stage = self.stage
        self._before = {
            "events": stage.events.copy(),
            "spent": Counter(stage.spent),
            "log": stage.log.said.copy(),
            "asked": {name: len(one.asked) for name, one in stage.providers.items()},
        }
        for provider in stage.providers.values():
            provider.peak = provider.open

    async def _do_check(self, step: Step) -> None:
        if not step.words:
            await self._check_answers(step)
            return
        subject, *more = step.words
        if subject == "event":
            self._check_events(step, more)
            return
        meters: dict[str, Callable[[str], object]] = {
            "requests": lambda name: len(self._asked(step, name)),
            "numbers": lambda name: sum(len(n) for _, n in self._asked(step, name)),
            "biggest": lambda name: max((len(n) for _, n in self._asked(step, name)), default=0),
            "peak": lambda name: self.stage.provider(name).peak,
            "busiest": self._busiest,
            "spent": lambda name: self.stage.spent[name] - self._before["spent"][name],
            "left": self.stage.left,
            "saved": self.stage.saved,
            "breaker": self.stage.breaker,
            "log": lambda name: self.stage.log.said[name] - self._before["log"][name],
            "stored": lambda _: len(self.stage.disk.answers),
        }
        if subject not in meters or more:
            step.wrong(f"what is counted is one of event, {', '.join(meters)}")
        for option in step.options:
            compare(step, option, meters[subject](option.key))

    def _busiest(self, name: str) -> int:
        times = [at for at, _ in self.stage.provider(name).asked[self._since(name) :]]
        return max((sum(t <= one < t + 1 for one in times) for t in times), default=0)

    def _since(self, name: str) -> int:
        before: int = self._before["asked"].get(name, 0)
        return before

    def _asked(self, step: Step, name: str) -> list[tuple[float, tuple[Msisdn, ...]]]:
        if name not in {one.name for one in self.stage.site.config.providers}:
            step.wrong(f"no provider is called {name}")
        return self.stage.provider(name).asked[self._since(name) :]

    def _check_events(self, step: Step, names: list[str]) -> None:
        """Check that an event was seen; ``CHECK event NAME [provider=COUNT]``."""
        if len(names) != 1:
            step.wrong("one event: CHECK event hedged npl=1")
        for option in step.options or (Option("", ">=", "1"),):
            found = sum(
                count - self._before["events"][what, who]
                for (what, who), count in self.stage.events.items()
                if what == names[0] and option.key in {"", "any", who}
            )
            compare(step, option, found)

    async def _check_answers(self, step: Step) -> None:
        for option in step.options:
            if option.key not in ANSWERS:
                near = ", ".join(ANSWERS)
                step.wrong(f"an answer has no {option.key} ({near})")
        wanted = {option.key: option for option in step.options}
        share = float(wanted.pop("share").value) if "share" in wanted else 100.0
        group = self._last
        if "call" in wanted:
            name = wanted.pop("call").value
            if name not in self._calls:
                step.wrong(f"no call is named {name}: CALL ... as={name}")
            group = self._calls[name]
        if not group:
            step.fail("nobody has called yet")
        await self._answered(step)
        wrong = [(call, why) for call in group if (why := differs(call, wanted))]
        good = 100 * (1 - len(wrong) / len(group))
        if wrong and (share == 100 or good < share):
            call, why = wrong[0]
            step.fail(
                f"{len(wrong)} of {len(group)} calls differ ({good:.1f} % do not): {why}\n"
                f"    the first was told {shown(call)}"
            )


async def _settle() -> None:
    """Let everything happen that happens at this instant."""
    for _ in range(40):
        await asyncio.sleep(0)


def _next(number: str, index: int) -> str:
    if not index:
        return number
    digits = number.removeprefix("+")
    return "+" * number.startswith("+") + str(int(digits) + index).zfill(len(digits))
