"""Asking every process of a running service from a shell, over their control sockets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agi import ipc
from agi.errors import Unreachable, UsageError
from agi.report import combine


@dataclass(frozen=True, slots=True)
class Service:
    """The running service of one state directory."""

    state: Path

    @property
    def dipper(self) -> Path:
        """The dipper's control socket."""
        return ipc.path_of(self.state, "dipper")

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
        return sorted((self.state / "run").glob("router-*.sock"))

    @property
    def alive(self) -> bool:
        """Whether any process of it runs."""
        return ipc.alive(self.dipper) or any(map(ipc.alive, self.routers))

    def status(self) -> dict[str, Any]:
        """Return what all processes say together.

        Raises:
            Unreachable: none of them answers.
        """
        told, silent = [], []
        for path in (*self.routers, self.dipper):
            try:
                told.append(ipc.ask(path, "status", timeout_s=2.0))
            except Unreachable:
                silent.append(path.stem)
        if not told:
            raise Unreachable(
                f"the service does not answer at {self.router}; "
                "is dialdip serve running with this configuration?"
            )
        return combine(told, silent)

    def reload(self) -> dict[str, object]:
        """Have every process read configuration and tables anew; the dipper first.

        Raises:
            UsageError: the files have faults; what ran runs on.
            Unreachable: a process does not answer.
        """
        answers = [ipc.ask(path, "reload", timeout_s=120) for path in (self.dipper, *self.routers)]
        tables = sorted({str(one["table"]) for one in answers[1:]})
        waits = sorted({name for one in answers for name in one["restart_needed"]})
        return {"table": " and ".join(tables), "restart_needed": waits}

    def forget(self, number: str) -> Mapping[str, object]:
        """Forget a number in every process and in the store.

        Raises:
            Unreachable: the dipper does not answer: it alone may write the store.
            UsageError: it is no number.
        """
        known = bool(ipc.ask(self.dipper, "forget", number=number)["forgotten"])
        for path in self.routers:
            try:
                known |= bool(ipc.ask(path, "cache_drop", number=number)["dropped"])
            except Unreachable:
                raise UsageError(
                    f"{path.stem} does not answer and may remember the number: try again"
                ) from None
        return {"forgotten": known}
