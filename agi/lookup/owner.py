"""Whose new files in the state directory are: the directory's owner's, whoever makes them.

Root may run a verb by hand where the service has a user of its own. What root makes there would
shut the service out of its own money and answers at its next start.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

ROOT: Final = 0


def leave_to_owner(made: int | Path, directory: Path) -> None:
    """Give what was just made, by descriptor or path, to the owner of its directory; as root only.

    Raises:
        OSError: the owner cannot be changed.
    """
    if os.geteuid() != ROOT:
        return
    owner = directory.stat()
    if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
        os.chown(made, owner.st_uid, owner.st_gid)
