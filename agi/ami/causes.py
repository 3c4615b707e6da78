"""How an attempt ended, by what Asterisk says of it: the dial status first, then the cause.

Causes are those of ITU-T Q.850; what SIP answers become is Asterisk's ``res_pjsip``. Measured on
Asterisk 22.10 and 16.28: 404 gives CHANUNAVAIL and 1, 480 NOANSWER and 19, 486 BUSY and 17, 503
CONGESTION and 34, 603 CHANUNAVAIL and 21. A trunk that rings until its time is up gives NOANSWER
and 0, and so does one that never said a word: only the missing sign tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

from agi.ami.figures import Outcome

NO_USER_RESPONDING: Final = 18
"""What Asterisk makes of an INVITE without any answer (RFC 3261 timer B, 32 s), and of a 408."""

_USER_BUSY: Final = 17

_NOT_DIALLED: Final = frozenset((0, 3, 20))
"""No cause, no route, subscriber absent: ``res_pjsip`` makes none of them of a SIP answer."""


class Causes:
    """The table of causes; what stands nowhere in it is the network's failure.

    ``user``, ``rejected`` and ``number`` hold Q.850 causes, 0 to 127, as ``settings.Kpi`` says
    them: the called user's doing, this call refused, the number at fault. A cause that stands in
    several counts as the first of them.
    """

    def __init__(
        self,
        user: Iterable[int] = (16, 17, 19, 20, 31),
        rejected: Iterable[int] = (21,),
        number: Iterable[int] = (1, 22, 28),
    ) -> None:
        table = dict.fromkeys(number, Outcome.NUMBER)
        table |= dict.fromkeys(rejected, Outcome.REJECTED)
        table |= dict.fromkeys(user, Outcome.NO_ANSWER)
        if table.get(_USER_BUSY) is Outcome.NO_ANSWER:
            table[_USER_BUSY] = Outcome.BUSY
        table[NO_USER_RESPONDING] = Outcome.FAILED
        self._table = MappingProxyType(table)

    def outcome(
        self, dialstatus: str, cause: int, *, seized: bool = True, silent: bool = False
    ) -> Outcome:
        """Say how an attempt ended that the dialplan reports with this DIALSTATUS and HANGUPCAUSE.

        ``seized`` False: Asterisk could not dial the trunk, so whatever the cause says, no user
        and no number is to blame. ``silent``: the attempt was seen from its beginning, and the far
        end never gave a sign.
        """
        if dialstatus == "ANSWER":
            return Outcome.ANSWERED
        if dialstatus == "CANCEL":
            return Outcome.CANCELLED
        if not seized:
            return Outcome.FAILED
        if dialstatus == "BUSY":
            return Outcome.BUSY
        if dialstatus == "NOANSWER":
            return Outcome.FAILED if silent and not cause else Outcome.NO_ANSWER
        return self._table.get(cause, Outcome.FAILED)


def seems_seized(dialstatus: str, cause: int, *, all_seen: bool) -> bool:
    """Say whether Asterisk dialled a trunk whose DialBegin was not heard.

    ``all_seen``: nothing can have been missed, so it did not, unless the status says that somebody
    was called for a time. Else it did, unless the cause is one that no far end gives.
    """
    if all_seen:
        return dialstatus in ("ANSWER", "NOANSWER")
    return dialstatus != "CHANUNAVAIL" or cause not in _NOT_DIALLED
