"""Tables and calls at random: ours and the slow reference router must not differ."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import pytest

from agi.errors import TableError
from agi.model import (
    CallContext,
    Decision,
    Dialled,
    ErrorRule,
    Finding,
    Fraud,
    Hop,
    Kind,
    Line,
    Live,
    Mccmnc,
    Msisdn,
    NumberInfo,
    Outcome,
    Source,
    Verdicts,
)
from agi.routing.choose import by_range, decide, facts_of
from agi.routing.reading.files import load
from agi.routing.rule import Facts
from agi.routing.table import Table
from tests.routing.making import contents, write
from tests.routing.random_tables import ZONE, Call, random_call, random_table
from tests.routing.reference import Reference
from tests.routing.reference_texts import Dict, Texts
from tests.routing.reference_ties import tied

SEED = 4
BATCHES = 25
TABLES = 50
CALLS = 80

Files = dict[str, str]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_table_and_no_call_differs_from_the_slow_reference(tmp_path: Path, batch: int) -> None:
    for number in range(batch * TABLES, (batch + 1) * TABLES):
        _compare(tmp_path, f"{SEED}-{number}")


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        # New York is five hours behind London, and four between their switches in March.
        ("Mon 08:00-09:00", "Mon 04:00-05:00 America/New_York", True),
        ("Mon 08:00-09:00", "Mon 05:00-06:00 America/New_York", False),
        ("Sun 01:00-02:00", "Sat 20:00-21:00 America/New_York", True),
        ("2026-12-25", "Sat 00:00-05:30 Asia/Kolkata", True),
        ("2026-12-25 18:00-06:00", "2026-12-26 05:30-05:31", True),
        ("2026-12-25 18:00-06:00", "2026-12-26 06:00-24:00", False),
        # London's clock shows 01:00 again when UTC shows it: the night before comes back.
        ("2026-10-24 22:00-01:30", "2026-10-25 00:45-01:30 UTC", True),
        ("2026-10-24 22:00-01:30", "2026-10-25 00:30-01:00 UTC", False),
        ("2026-10-24 22:00-01:30", "Sun 00:45-01:30 UTC", True),
        ("Sat 22:00-01:30", "2026-10-25 00:45-01:30 UTC", True),
    ],
)
def test_both_say_the_same_of_windows_that_meet_rarely_or_never(
    tmp_path: Path, one: str, other: str, meet: bool
) -> None:
    head = "rule,priority,line,action,when,trunks"
    routes = f"{head}\na,,,,{one},t\nb,,,,{other},t\nrest,,,,,t\n"
    files = {"trunks": "trunk,number_format,strip,prepend,enabled\nt,,,,\n", "routes": routes}
    expected = {"b"} if meet else set()
    assert expected == tied(Reference(files, ZONE))
    assert (expected, []) == refusal(tmp_path, files)


def test_both_hold_porting_unknown_where_the_network_is() -> None:
    head = "rule,priority,line,action,ported,trunks"
    routes = f"{head}\nmoved,,,,yes,t\nrest,,,,,t\n"
    files = {"trunks": "trunk,number_format,strip,prepend,enabled\nt,,,,\n", "routes": routes}
    table, reference = Table(contents(**files)), Reference(files, ZONE)
    for mccmnc, rule in ((None, "rest"), ("23415", "moved")):
        call = {**random_call(Random(1), []), "kind": "e164", "digits": "447700900123"}
        call |= {"msisdn": "447700900123", "error": None, "mccmnc": mccmnc, "ported": "yes"}
        assert rule == reference.decide(call)["rule"]
        assert not difference(table, reference, call)


def _compare(directory: Path, seed: str) -> None:
    """Compare which rules of a table tie; then what the table without them does with calls."""
    dice = Random(seed)
    files = random_table(dice)
    ties = tied(Reference(files, ZONE))
    if refusal(directory, files) != (ties, []):
        _tell(seed, files, partial(_load_differs, directory))
    files = without(files, ties)
    if ties and refusal(directory, files) != (set(), []):
        _tell(seed, files, partial(_load_differs, directory))
    table, reference = load(directory, 1, ZONE).table, Reference(files, ZONE)
    rules = Texts.rows(files["routes"])
    for _ in range(CALLS):
        call = random_call(dice, rules)
        if difference(table, reference, call):
            _tell(seed, files, partial(_call_differs, directory, call))


def _tell(seed: str, files: Files, differs: Callable[[Files], str]) -> None:
    """Fail with the smallest table that still differs in the same way."""
    kind = differs(files).partition(":")[0]
    files = shrunk(files, lambda smaller: differs(smaller).partition(":")[0] == kind)
    texts = "\n".join(f"--- {name}.csv\n{text}" for name, text in files.items())
    pytest.fail(f"seed {seed}: {differs(files)}\n{texts}")


def shrunk(files: Files, differs: Callable[[Files], bool]) -> Files:
    """Return a table without the rows that the difference does not need."""
    for name in files:
        at = 1
        while at < len(files[name].splitlines()):
            lines = files[name].splitlines()
            smaller = files | {name: "\n".join((*lines[:at], *lines[at + 1 :], ""))}
            if _readable(smaller) and differs(smaller):
                files = smaller
            else:
                at += 1
    return files


def _readable(files: Files) -> bool:
    """Say whether the reference can read a table that has lost a row: it knows no faults."""
    try:
        reference = Reference(files, ZONE)
        for rule in reference.rules:
            reference.members(rule["trunks"].replace(">", " ").replace("!", ""))
        names = {n for g in reference.groups.values() for n in reference.members(g)}
    except (KeyError, ValueError, IndexError):
        return False
    return any(rule["default"] for rule in reference.rules) and names <= set(reference.trunks)


def without(files: Files, rules: set[str]) -> Files:
    """Return a table without some of its rules."""
    lines = files["routes"].splitlines(keepends=True)
    return files | {"routes": "".join(x for x in lines if x.partition(",")[0] not in rules)}


# ---- tables --------------------------------------------------------------------------------


def refusal(directory: Path, files: Files) -> tuple[set[str], list[str]]:
    """Return the rules that we say tie, or are a second default, and what else is said."""
    try:
        load(write(directory, **files), 1, ZONE)
    except TableError as error:
        names = [line.partition(",")[0] for line in files["routes"].splitlines()]
        ties = [f for f in error.faults if " tie: " in f.what or "a second default" in f.what]
        return {names[f.line - 1] for f in ties}, [str(f) for f in error.faults if f not in ties]
    return set(), []


def _load_differs(directory: Path, files: Files) -> str:
    expected = tied(Reference(files, ZONE))
    ours, others = refusal(directory, files)
    if others:
        return f"faults that the reference does not know: {others}"
    return "" if expected == ours else f"ties: reference {sorted(expected)}, ours {sorted(ours)}"


# ---- calls ---------------------------------------------------------------------------------


def context_of(call: Call) -> CallContext:
    line = Line(call["line"]) if call["line"] else None
    number = Msisdn(call["msisdn"]) if call["msisdn"] else None
    dialled = Dialled(call["digits"], Kind(call["kind"]), number, call["country"], line)
    return CallContext(dialled, call["account"], call["caller"], call["at"])


def finding_of(call: Call) -> Finding:
    info = NumberInfo(
        Mccmnc(call["mccmnc"]) if call["mccmnc"] else None,
        Live(call["live"]) if call["live"] else None,
        {"yes": True, "no": False, None: None}[call["ported"]],
        Line(call["said_line"]) if call["said_line"] else None,
    )
    error = call["error"]
    rule = ErrorRule("lanck", "x", Outcome.NOT_FOUND, False, 60, error) if error else None
    fraud = Verdicts(Fraud(call["fraud"])) if call["fraud"] else Verdicts()
    return Finding(Source.LIVE, "ok", info, 1.0, rule, verdicts=fraud)


def _call_differs(directory: Path, call: Call, files: Files) -> str:
    if _load_differs(directory, files):
        return ""
    return difference(load(directory, 1, ZONE).table, Reference(files, ZONE), call)


def difference(table: Table, reference: Reference, call: Call) -> str:
    """Return what differs for one call, or nothing."""
    context, finding = context_of(call), finding_of(call)
    shut = call["closed"]
    dice = Random(1).random
    decision = decide(table, context, finding, dice, "x", lambda trunk: trunk.name in shut)
    facts = facts_of(context, by_range(table, context.dialled, finding))
    expected = reference.decide(call)
    problems = [
        *_same("rule", expected["rule"], decision.rule),
        *_same("cause", expected["cause"], decision.cause),
        *_same("reason", _reason(expected), decision.reason),
        *_wrong_hops(expected["tiers"], decision.hops),
        *_wrong_weights(reference, table, facts, decision),
        *_wrong_rulings(reference, table, call, facts),
    ]
    return f"call: {problems} for {call}" if problems else ""


def _same(what: str, expected: object, ours: object) -> list[str]:
    return [] if expected == ours else [f"{what}: reference {expected}, ours {ours}"]


def _reason(expected: Dict) -> str:
    if expected["cause"] == 34:
        return "no-trunk"
    return "denied" if expected["rule"].startswith("policy-") else "ok"


def _wrong_hops(tiers: list[Dict], hops: tuple[Hop, ...]) -> list[str]:
    """Compare the trunks that leave, tier by tier in any order, and their numbers."""
    wanted = min(9, sum(map(len, tiers)))
    problems = _same("trunks", wanted, len(hops))
    left = [(hop.trunk, hop.number) for hop in hops]
    for tier in tiers:
        ours, left = left[: len(tier)], left[len(tier) :]
        numbers = {(name, number) for name, (_, number) in tier.items()}
        if not set(ours) <= numbers or len(set(ours)) != len(ours):
            problems.append(f"numbers: reference {numbers}, ours {ours}")
    return problems


def _wrong_weights(
    reference: Reference, table: Table, facts: Facts, decision: Decision
) -> list[str]:
    """Compare the weights among which the dice choose: those of the enabled trunks."""
    if not decision.hops:
        return []
    ours = [{trunk.name: weight for trunk, weight in tier} for tier in table.match(facts).tiers]
    row = next(rule for rule in reference.rules if rule["rule"] == decision.rule)
    tiers = [reference.members(text.strip()) for text in row["trunks"].split(">")]
    on = [{n: w for n, w in t.items() if reference.trunks[n]["enabled"] != "no"} for t in tiers]
    return _same("weights", [tier for tier in on if tier], ours)


def _wrong_rulings(reference: Reference, table: Table, call: Call, facts: Facts) -> list[str]:
    """Compare what the policy says before the lookup, when no network is known, and after it."""
    problems = []
    line = Line(call["line"]) if call["line"] else None
    for when, theirs, network, kind in (
        ("before", call | {"mccmnc": None}, None, line),
        ("after", reference.facts(call), facts.mccmnc, facts.line),
    ):
        said = table.policy.verdict(call["digits"], call["msisdn"], call["account"], network, kind)
        verdict = said and (str(said.action), said.row)
        problems += _same(f"policy {when}", reference.ruling(theirs), verdict)
    return problems
