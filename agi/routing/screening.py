"""What an account does about the screens: ignore them, let a call show them, or reject it.

A screen is a question about a number that is no lookup of its network: a fraud check, the United
Kingdom's Telephone Preference Service, the vendor's list of who asked not to be called.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from agi.model import Fraud, Product, Verdicts


class Act(StrEnum):
    """What a screen's verdict does to a call."""

    IGNORE = "ignore"  # it is not even asked
    FLAG = "flag"  # the call goes out, CARRIER_REASON tells
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Policy:
    """What one screen does to the calls of an account.

    ``cause`` is the Q.850 cause of a rejected call, None unless ``act`` is ``REJECT``. ``closed``:
    a call is rejected also when no verdict came in time (fail closed); else it goes out.
    """

    act: Act = Act.IGNORE
    cause: int | None = None
    closed: bool = False


IGNORED: Final = Policy()

_FRAUD: Final = "fraud"
_TPS: Final = "tps"
_UNSUBSCRIBED: Final = "unsubscribed"
_SUSPECT: Final = (Fraud.FRAUDULENT, Fraud.SUSPICIOUS)


@dataclass(frozen=True, slots=True)
class Screening:
    """The three screens of an account; ``asked`` are those that have to be asked."""

    fraud: Policy = IGNORED
    tps: Policy = IGNORED
    unsubscribe: Policy = IGNORED
    asked: tuple[Product, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Note once what every call of the account wants to know."""
        policies = (
            (Product.FRAUD, self.fraud),
            (Product.TPS, self.tps),
            (Product.UNSUBSCRIBE, self.unsubscribe),
        )
        asked = tuple(product for product, policy in policies if policy.act is not Act.IGNORE)
        object.__setattr__(self, "asked", asked)

    def rejection(self, verdicts: Verdicts) -> tuple[int, str] | None:
        """Return cause and reason if a screen rejects the call: fraud, then TPS, then unsubscribe.

        Only a fraudulent number is rejected; CARRIER_FRAUD tells of a suspicious one, and of one
        that is no mobile.
        """
        fraud = verdicts.fraud
        judged = (
            (_FRAUD, self.fraud, None if fraud is None else fraud is Fraud.FRAUDULENT),
            (_TPS, self.tps, verdicts.tps),
            (_UNSUBSCRIBED, self.unsubscribe, verdicts.unsubscribed),
        )
        for reason, policy, bad in judged:
            if policy.cause is not None and (policy.closed if bad is None else bad):
                return policy.cause, reason
        return None

    def flag(self, verdicts: Verdicts) -> str:
        """Return the reason of a call that goes out all the same; empty when nothing is flagged.

        A suspicious number is flagged like a fraudulent one.
        """
        judged = (
            (_FRAUD, self.fraud, verdicts.fraud in _SUSPECT),
            (_TPS, self.tps, verdicts.tps),
            (_UNSUBSCRIBED, self.unsubscribe, verdicts.unsubscribed),
        )
        return next((reason for reason, p, bad in judged if bad and p.act is Act.FLAG), "")


NO_SCREENING: Final = Screening()
"""Nothing is asked: an account without a row, at a site without a row for every account."""
