"""Asking every process of a running service from a shell, over their control sockets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agi import ipc
from agi.errors import Unreachable, UsageError
from agi.report import combine

AT_ONCE: Final = 16
"""So many questions are put at once."""

STATUS_S: Final = 2.0
"""A process that says nothing for so long is frozen."""


ERASE_S: Final = 10.0
"""A router that writes nothing for so long may be frozen."""

SLOW_S: Final = 60.0
"""What reads or writes many rows may take so long."""


@dataclass(frozen=True, slots=True)
class Service:
    """The running service of one state directory."""

    state: Path

    @property
    def dipper(self) -> Path:
        """The dipper's control socket."""
        return ipc.path_of(self.state, "dipper")

    @property
    def noc(self) -> Path:
        """The control socket of noc."""
        return ipc.path_of(self.state, "noc")

    @property
    def router(self) -> Path:
        """The control socket of the first router that answers; the first one's if none does."""
        routers = self.routers
        return next(
            (path for path in routers if ipc.alive(path)), ipc.path_of(self.state, "router")
        )

    @property
    def routers(self) -> list[Path]:
        """Every router's control socket."""
        try:
            return sorted((self.state / "run").glob("router-*.sock"))
        except PermissionError:  # another user's: whoever asks one of them is told so
            return [ipc.path_of(self.state, "router")]

    @property
    def alive(self) -> bool:
        """Whether any process of it runs."""
        return any(map(ipc.alive, (self.dipper, *self.routers, self.noc)))

    def status(self) -> dict[str, Any]:
        """Return what all processes say together.

        Raises:
            Unreachable: none of them answers.
        """
        paths = (*self.routers, self.dipper, self.noc)
        with ThreadPoolExecutor(AT_ONCE) as shell:  # several may be frozen
            found = dict(zip(paths, shell.map(_status_of, paths), strict=True))
        told = [one for one in found.values() if one is not None]
        if not told:
            told = [ipc.ask(self.router, "status", timeout_s=STATUS_S)]  # who says why not
        silent = [
            path for path in paths if found[path] is None and (path.exists() or path == self.noc)
        ]
        return combine(told, {path.stem: ipc.alive(path) for path in silent})

    def lookup(
        self, numbers: Sequence[str], *, fresh: bool, screens: Sequence[str]
    ) -> Iterator[Any]:
        """Yield the dipper's answers in the order of the numbers; it may ask for several in one go.

        Raises:
            Unreachable: the dipper does not answer.
            UsageError: it refuses; its reason.
        """

        def one(number: str) -> Any:  # noqa: ANN401 - JSON
            asked: dict[str, object] = {"number": number, "fresh": fresh, "screens": list(screens)}
            return ipc.ask(self.dipper, "lookup", timeout_s=10, **asked)

        with ThreadPoolExecutor(AT_ONCE) as shell:
            yield from shell.map(one, numbers)

    def reload(self) -> dict[str, object]:
        """Have every process read the configuration and the tables anew; the dipper first.

        Raises:
            UsageError: the files have faults; what ran runs on.
            Unreachable: a process does not answer.
        """
        paths = [self.dipper, *self.routers, *([self.noc] if ipc.alive(self.noc) else [])]
        answers = [ipc.ask(path, "reload", timeout_s=120) for path in paths]
        tables = sorted({str(one["table"]) for one in answers[1:]})
        waits = sorted({name for one in answers for name in one["restart_needed"]})
        return {"table": " and ".join(tables), "restart_needed": waits}

    def switch(self, version: str) -> dict[str, str]:
        """Have every process serve the active version; return what each of them serves.

        Raises:
            UsageError: a process that is there does not serve ``version`` now; which, and why.
        """
        paths = [path for path in (self.dipper, *self.routers, self.noc) if ipc.alive(path)]
        with ThreadPoolExecutor(AT_ONCE) as shell:
            answers = list(shell.map(_switched, paths))
        served = {path.stem: said for path, said in zip(paths, answers, strict=True)}
        wrong = [f"{name}: {said}" for name, said in served.items() if said != version]
        if wrong:
            raise UsageError(
                f"{version} is active, but not everywhere in force: {'; '.join(wrong)}; "
                "see its log, then try dialdip reload"
            )
        return served

    def forget(self, number: str) -> Mapping[str, object]:
        """Forget a number in every process, in the store and in the decision journal.

        Raises:
            Unreachable: the dipper does not answer: it alone may write the store.
            UsageError: it is no number, or a process could not be told.
        """
        said = ipc.ask(self.dipper, "forget", number=number)
        known = bool(said["forgotten"])
        for path in self.routers:
            try:
                dropped = ipc.ask(path, "cache_drop", number=number, timeout_s=ERASE_S)
            except Unreachable:
                raise UsageError(
                    f"{path.stem} does not answer and may remember the number: try again"
                ) from None
            if not dropped["written"]:
                raise UsageError(f"{path.stem} cannot write its journal just now: try again")
            known |= bool(dropped["dropped"])
        journal = ipc.ask(self.dipper, "erase", number=number, timeout_s=SLOW_S)
        erased = bool(said["erased"]) and not journal["kept"]
        return {"forgotten": known or journal["records"] > 0, "erased": erased}


def _switched(path: Path) -> str:
    try:
        return str(ipc.ask(path, "switch", timeout_s=SLOW_S)["table"])
    except (Unreachable, UsageError) as failed:
        return str(failed)


def _status_of(path: Path) -> Any:  # noqa: ANN401 - JSON
    try:
        return ipc.ask(path, "status", timeout_s=STATUS_S)
    except Unreachable:
        return None
