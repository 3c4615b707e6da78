"""Where the real Asterisks of the tests live, and why one may be missing."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

COMPLETE = ".dialdip-complete"
"""The marker that prepare.sh writes last; a directory without it is half a debootstrap."""


@dataclass(frozen=True, slots=True)
class Build:
    """One Debian suite with its Asterisk. ``required``: a missing one fails under CI=true."""

    name: str
    suite: str
    modules: str
    required: bool

    @property
    def root(self) -> Path:
        """Return the directory to chroot into."""
        cache = os.environ.get("DIALDIP_TEST_CACHE", "/var/cache/dialdip-tests")
        return Path(cache) / f"asterisk-{self.suite}"


BUILDS = (
    Build("22", "sid", "/usr/lib/x86_64-linux-gnu/asterisk/modules", required=True),
    # Required only while the package mirror still has it: prepare.sh tolerates its absence.
    Build("16", "bullseye", "/usr/lib/asterisk/modules", required=False),
)


def why_not(build: Build) -> str:
    """Return why this Asterisk cannot be run here; empty if it can."""
    if os.geteuid() != 0:
        return f"Asterisk {build.name} needs root for its chroot"
    if shutil.which("chroot") is None:
        return f"Asterisk {build.name} needs chroot"
    if shutil.which("sipp") is None:
        return f"Asterisk {build.name} needs SIPp; run tests/asterisk/prepare.sh"
    if not (build.root / COMPLETE).exists():
        return f"Asterisk {build.name} is not in {build.root}; run tests/asterisk/prepare.sh"
    return ""
