"""What people ask a router over its control socket: status, explain, reload, cache drop.

The answers are plain JSON values; how they look on a terminal is the shell's business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from msgspec import structs
from msgspec.structs import asdict

from agi.errors import UsageError
from agi.ipc import Handler
from agi.model import CallRequest, Decision, Dialled, Finding, Kind, Mccmnc, NumberInfo, Source
from agi.plmn import canonical
from agi.router import Router
from agi.routing.table import Facts, Table

PATIENCE_S: Final = 5.0
"""How long a person waits for a provider; calls have their own deadline."""

Asked = dict[str, Any]


class Desk:
    """Answers people's questions with the very functions that answer calls."""

    def __init__(
        self,
        router: Router,
        *,
        clock: Callable[[], float],
        report: Callable[[], Mapping[str, object]],
        reload: Callable[[], Awaitable[dict[str, object]]],
    ) -> None:
        self._router = router
        self._clock = clock
        self._report = report
        self._reload = reload

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The questions by name."""
        return {
            "status": self.status,
            "explain": self.explain,
            "reload": self.reload,
            "cache_drop": self.cache_drop,
        }

    async def status(self, asked: Asked) -> object:
        """Return what is wrong, in ten seconds."""
        del asked
        return self._report()

    async def reload(self, asked: Asked) -> object:
        """Read configuration and tables anew."""
        del asked
        return await self._reload()

    async def cache_drop(self, asked: Asked) -> object:
        """Forget what this router remembers of a number."""
        dialled = self._router.plan.understand(str(asked.get("number", "")))
        number = dialled.msisdn
        return {"dropped": number is not None and self._router.nearby.drop(number)}

    async def explain(self, asked: Asked) -> object:
        """Say which rule wins for a number and which lose, without asking a provider."""
        return explain(
            self._router,
            str(asked.get("number", "")),
            network=asked.get("mccmnc"),
            finding=await self._paid(asked) if asked.get("lookup") else None,
            account=str(asked.get("account") or ""),
        )

    async def _paid(self, asked: Asked) -> Finding | None:
        dialled = self._router.plan.understand(str(asked.get("number", "")))
        if dialled.kind is not Kind.E164 or dialled.msisdn is None:
            return None
        request = CallRequest(dialled.digits, str(asked.get("account") or ""), "", "explain")
        inquiry = self._router.inquiry(request, dialled, self._clock() + PATIENCE_S)
        return await self._router.nearby.find(structs.replace(inquiry, network=True))


def explain(
    router: Router,
    number: str,
    *,
    network: str | None,
    finding: Finding | None,
    account: str = "",
) -> dict[str, object]:
    """Return how a number would be routed and why.

    ``network`` supposes a network; ``finding`` is what a lookup just said. With neither, what is
    remembered is used, else the network is unknown.

    Raises:
        UsageError: ``network`` is no MCC/MNC.
    """
    dialled = router.plan.understand(number)
    if network is not None:
        supposed = canonical(network)
        if supposed is None:
            raise UsageError(f'"{network}" is no MCC and MNC: give for example 23415 or 234-15')
        finding = Finding(Source.LIVE, "ok", NumberInfo(Mccmnc(supposed.mccmnc)))
    if finding is None:
        request = CallRequest(number, account, "", "explain")
        finding = router.known(dialled, request) or Finding(Source.SKIPPED, "nodip")
    decision = router.decide(dialled, finding, account)
    known = found(finding)
    if network is not None:
        known["source"] = "supposed"
    elif decision.source is Source.RANGE:
        known |= {"mccmnc": decision.info.mccmnc, "source": "range"}
    steps = _steps(router.table, dialled, finding, decision)
    return {**described(dialled), **known, "decision": told(decision), "steps": steps}


def _steps(
    table: Table, dialled: Dialled, finding: Finding, decision: Decision
) -> list[dict[str, object]]:
    """Return what was tried, best first; a screen or a listed code may decide before any rule."""
    if not decision.rule:
        error = finding.rule
        coded = error is not None and decision.reason == finding.reason
        what = f"errors.csv {error.provider} {error.code}" if error and coded else "accounts.csv"
        return [{"rule": what, "line": 0, "failed": ""}]
    emergency = dialled.kind is Kind.EMERGENCY
    unknown = finding.rule is not None and finding.rule.route != "range"
    network = None if unknown else decision.info.mccmnc
    facts = Facts(dialled.digits, dialled.msisdn, dialled.country, network, emergency)
    return [
        {"rule": step.rule.name, "line": step.rule.line, "failed": step.failed}
        for step in table.trace(facts)
    ]


def described(dialled: Dialled) -> dict[str, object]:
    """Return what was dialled, for people."""
    return {
        "dialled": dialled.digits,
        "kind": dialled.kind,
        "number": dialled.msisdn,
        "country": dialled.country,
        "line": dialled.line,
    }


def found(finding: Finding) -> dict[str, object]:
    """Return what is known of the number, for people."""
    return {
        "mccmnc": finding.info.mccmnc,
        "live": finding.info.live,
        "ported": finding.info.ported,
        "source": finding.source,
        "reason": finding.reason,
        "provider": finding.provider,
        "age_s": None if finding.age_s is None else round(finding.age_s, 1),
        "fraud": finding.verdicts.fraud,
        "tps": finding.verdicts.tps,
        "unsubscribed": finding.verdicts.unsubscribed,
    }


def told(decision: Decision) -> dict[str, object]:
    """Return a decision, for people."""
    return {
        "action": decision.action,
        "cause": decision.cause,
        "rule": decision.rule,
        "table": decision.table,
        "trunks": [asdict(hop) for hop in decision.hops],
    }
