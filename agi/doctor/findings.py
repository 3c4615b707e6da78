"""What a check found: where, how bad, what hurts and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is; anything above a note would hurt calls, money or the PBX."""

    ERROR = "error"  # calls are lost, or strangers get in
    WARNING = "warning"  # calls suffer when something else goes wrong too
    NOTE = "note"  # worth knowing; nothing has to be done


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that a check found. ``line`` counts from 1; 0 means the file as a whole.

    ``what`` says what hurts and what to do. It never holds a secret or a phone number.
    """

    file: str
    line: int
    severity: Severity
    what: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.severity}: {self.what}"

    @property
    def hurts(self) -> bool:
        """Whether it is worse than a note."""
        return self.severity is not Severity.NOTE
