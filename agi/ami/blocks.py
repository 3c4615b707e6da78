"""The byte stream of a manager connection, cut into whole blocks wherever TCP happens to cut it.

A block is what stands before an empty line: headers that end with CR LF (Asterisk, main/manager.c).
The first line is the banner and is followed by no empty line.
"""

from __future__ import annotations

from typing import Final

END: Final = b"\r\n\r\n"
BANNER: Final = b"Asterisk Call Manager/"
LONGEST_BANNER: Final = 128
"""Bytes. Asterisk's own is about 30."""


class Blocks:
    """Takes bytes as they come, gives whole blocks without their ends.

    ``max_block`` in bytes: a longer block is dropped, and ``oversize`` counts it. ``version`` is
    the manager interface's, from the banner, empty before it was read. ``alien`` says that the
    peer did not begin as Asterisk does; nothing more is read then.
    """

    def __init__(self, max_block: int = 65_536) -> None:
        self.oversize = 0
        self.version = ""
        self.alien = False
        self._max = max_block
        self._greeted = False
        self._skipping = False
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the blocks that these bytes complete; where they were cut makes no difference."""
        if self.alien:
            return []
        searched = max(len(self._rest) - len(END) + 1, 0)
        self._rest += data
        if not self._greeted:
            searched = 0
            self._greet()
        if not self._greeted:
            return []
        if self._rest.find(END, searched) < 0:
            self._bound()
            return []
        *whole, rest = bytes(self._rest).split(END)
        self._rest[:] = rest
        if self._skipping:
            del whole[0]
            self._skipping = False
        kept = [block for block in whole if len(block) <= self._max]
        self.oversize += len(whole) - len(kept)
        self._bound()
        return kept

    def _greet(self) -> None:
        line, end, _ = bytes(self._rest[: LONGEST_BANNER + 2]).partition(b"\r\n")
        like = line.startswith(BANNER) if end else BANNER.startswith(line[: len(BANNER)])
        if not like or len(line) > LONGEST_BANNER:
            self.alien = True
            self._rest.clear()
        elif end:
            self._greeted = True
            self.version = line[len(BANNER) :].decode("ascii", "replace").strip()
            del self._rest[: len(line) + len(end)]

    def _bound(self) -> None:
        """Let go of a block that is too long already; what may begin its end stays."""
        if len(self._rest) < self._max + len(END):
            return
        if not self._skipping:
            self.oversize += 1
            self._skipping = True
        del self._rest[: -len(END) + 1]
