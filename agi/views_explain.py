"""How explanations look: the call, what was tried, where it goes; for scripts one JSON document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from agi.console import Screen, counted, document

Answer = Mapping[str, Any]

SHOWN: Final = 24
"""So many rules that did not match are shown: those that came nearest; --json has them all."""

_COLUMNS: Final = (
    *("account", "mccmnc", "prefix", "from", "country", "line", "ported", "live", "fraud", "when"),
)
_NAMES: Final = {"mccmnc": "network"}
_THEN: Final = {
    "down": "down, so it stood behind the others",
    "trial": "on trial, and stood behind the others",
    "degraded": "degraded, at half its weight",
    "pinned": "pinned down, so the call had to do without it",
    "full": "it had all the calls that it may have at once",
}


def now(answer: Answer, *, as_json: bool) -> None:
    """Show where a call would go and why; ``by`` says who was asked."""
    if as_json:
        document(answer)
        return
    screen = Screen()
    since = f", in force since {_moment(answer['since'])}" if answer["since"] else ""
    screen.facts(
        [
            *_call(answer),
            ("table", f"{answer['decision']['table']}{since}; by {answer['by']}"),
        ]
    )
    _why(screen, answer)
    _limits(screen, answer["limits"])
    if answer["dip_could_change_it"] is False:
        screen.line("a lookup could not change this: none is paid for", "dim")
    elif answer["dip_could_change_it"] and answer["mccmnc"] is None:
        screen.line("a lookup could change this: --lookup asks, --mccmnc supposes", "odd")


def then(answer: Answer, *, as_json: bool) -> None:
    """Show why a call of the past went where it went, and where it would go now."""
    if as_json:
        document(answer)
        return
    screen = Screen()
    record = answer["record"]
    screen.line(f"{record['id']}, channel {record['uniqueid']}, {_moment(record['at'])}")
    screen.line(_recorded(record), "bad" if record["action"] == "reject" else "good")
    if record["closed"]:
        screen.line(f"over their calls per second then: {', '.join(record['closed'])}", "odd")
    for one in record.get("health", ()):
        screen.line(f"{one['trunk']} then: {_THEN.get(one['why'], one['why'])}", "odd")
    for earlier in answer.get("earlier", ()):
        screen.line(f"an earlier decision of this channel: dialdip explain --id {earlier}", "dim")
    refused = record["refused"]
    if refused and "why" not in answer["then"]:
        screen.facts(_call({**answer["then"], "refused": True}))
        screen.line("otherwise, had nobody been asked, it would have gone this way:", "odd")
    _decided(screen, f"by the table of then, {record['table']}", answer["then"], full=not refused)
    if answer["agrees"] is False:
        screen.line("the table of then decides otherwise than the record says", "bad")
    same = answer["same_way"]
    table = answer["now"].get("decision", {}).get("table", "")
    if table and table == record["table"]:
        screen.line("this table is still in force", "good")
        return
    _decided(screen, f"by the table of now, {table}", answer["now"], full=not (same or refused))
    if same is not None:
        words = "both lead the same way" if same else "the call would go another way now"
        screen.line(words, "good" if same else "odd")


def missing(why: str, *, as_json: bool) -> None:
    """Show that there is no record, and why that may be."""
    if as_json:
        document({"found": False, "why": why})
    else:
        Screen().line(why, "odd")


def _recorded(record: Answer) -> str:
    went = " > ".join(f"{hop['trunk']} ({hop['number']})" for hop in record["trunks"])
    told = f"routed to {went}" if went else f"rejected with cause {record['cause']}"
    rule = f" by {record['rule']}" if record["rule"] else ""
    refused = ", before any rule was looked at" if record["refused"] else ""
    return f"{told}{rule} ({record['source']}, {record['reason']}){refused}"


def _decided(screen: Screen, heading: str, answer: Answer, *, full: bool) -> None:
    screen.line()
    screen.line(heading)
    if "why" in answer:
        screen.line(f"not known: {answer['why']}", "odd")
        return
    if full:
        screen.facts(_call(answer))
    _why(screen, answer, rules=full)


def _call(answer: Answer) -> list[tuple[str, str]]:
    number = " ".join(
        str(one) for one in (answer["number"], answer["country"], answer["line"]) if one
    )
    whose = [f"from {answer['caller']}"] if answer["caller"] else []
    whose += [f"account {answer['account']}"] if answer["account"] else []
    return [
        ("dialled", f"{answer['dialled']} ({answer['kind']})"),
        ("number", number or "-"),
        ("call", ", ".join((*whose, f"at {_local(answer['at'], answer['timezone'])}"))),
        ("network", _network(answer)),
    ]


def _network(answer: Answer) -> str:
    ported = {True: "ported", False: "not ported"}.get(answer["ported"], "")
    fraud = answer["fraud"] and f"fraud check: {answer['fraud']}"
    known = (answer["mccmnc"] or "not known", ported, answer["live"], fraud)
    return f"{_joined(known)} ({_how_known(answer)})"


def _how_known(answer: Answer) -> str:
    if answer["kind"] != "e164":
        return "never looked up"
    if answer.get("supposed"):
        return f"supposed: {_joined(_NAMES.get(name, name) for name in answer['supposed'])}"
    if answer.get("refused"):
        by = answer["source"] if answer["mccmnc"] else ""  # the number's range
        return _joined((by, "nobody was asked: the call was refused before"))
    if (answer["source"], answer["reason"], answer["mccmnc"]) == ("skipped", "nodip", None):
        return "nobody was asked, nothing is remembered"
    age = "" if answer["age_s"] is None else f"{answer['age_s']:g} s old"
    return _joined((answer["source"], answer["reason"], answer["provider"], age))


def _joined(words: Iterable[object]) -> str:
    return ", ".join(str(word) for word in words if word)


def _local(text: str, zone: str) -> str:
    """Return a time on the wall; in the hour that comes twice, with its distance from UTC."""
    wall = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    twice = wall.replace(fold=0).utcoffset() != wall.replace(fold=1).utcoffset()
    return f"{_moment(text)}{f' ({text[-6:]})' if twice else ''} {zone}"


def _moment(text: str) -> str:
    """Return a time to the second, as people write it; in UTC that is said."""
    day, _, rest = text.partition("T")
    return f"{day} {rest[:8]}{' UTC' if rest.endswith(('Z', '+00:00')) and '.' in rest else ''}"


# ---- the decision ------------------------------------------------------------------------------


def _why(screen: Screen, answer: Answer, *, rules: bool = True) -> None:
    decision = answer["decision"]
    if rules and answer["decided_by"] == "routes.csv":
        _rules(screen, answer["steps"])
    _policy(screen, answer)
    rule = answer["steps"][-1]["rule"]
    if decision["action"] == "reject":
        own = answer["decided_by"] == "routes.csv" and not answer["left_out"]
        why = "" if own else f" ({decision['reason']})"
        screen.line(f"{rule}: rejected with cause {decision['cause']}{why}", "bad")
    else:
        screen.line(f"{rule}: routed", "good")
        _trunks(screen, answer["tiers"])
    for one in answer["left_out"]:
        screen.line(f"left out: {one['trunk']}, {one['why']}", "odd")


def _rules(screen: Screen, steps: Sequence[Answer]) -> None:
    lost, winner = list(steps[:-1]), steps[-1]
    near = sorted(range(len(lost)), key=lambda at: -_COLUMNS.index(lost[at]["failed"]))[:SHOWN]
    rows: list[list[tuple[str, str] | str]] = [
        [lost[at]["rule"], str(lost[at]["line"]), (_unmatched(lost[at]), "dim")]
        for at in sorted(near)
    ]
    rows.append([winner["rule"], str(winner["line"]), ("wins", "good")])
    screen.table(("rule", "line", "result"), rows)
    if len(lost) > SHOWN:
        more = counted(len(lost) - SHOWN, "rule")
        screen.line(f"{more} more did not match, farther off; --json lists all", "dim")


def _unmatched(step: Answer) -> str:
    has = f"the call has {step['value']}" if step["value"] else "that is not known"
    return f"asks for {step['failed']} {step['cell']}; {has}"


def _policy(screen: Screen, answer: Answer) -> None:
    policy = answer["policy"]
    before, after = policy["before"], policy["after"]
    for when, one in (("before the lookup", before), ("once the network is known", after)):
        if one is not None and not (one == before and when != "before the lookup"):
            tone = "bad" if one["action"] == "deny" else "dim"
            comment = f" ({one['comment']})" if one.get("comment") else ""
            screen.line(f"policy.csv line {one['line']}, {when}: {one['action']}{comment}", tone)


def _trunks(screen: Screen, tiers: Sequence[Answer]) -> None:
    rows: list[list[tuple[str, str] | str]] = []
    for number, tier in enumerate(tiers, 1):
        for one in tier["trunks"]:
            odds = "" if one["odds"] == 1 else f"{one['odds']:.1%}"
            sent = f"{one['tech']}/{one['number'] or '...'}@{one['endpoint']}"
            rows.append([one["trunk"], str(number), odds, sent, f"{one['ring_s']} s"])
    screen.table(("trunk", "tier", "first with", "called as", "rings"), rows)
    if any(tier.get("pick") == "quality" for tier in tiers):
        screen.line("within a tier the best quality goes first; odds are those of equals", "dim")
    for tier in tiers:
        for one in tier["trunks"]:
            if one.get("health"):
                screen.line(f"{one['trunk']}: {one['health']}", "odd")


def _limits(screen: Screen, limits: Sequence[Answer]) -> None:
    for one in limits:
        if not one["full"]:
            continue
        over = one["full"] * one["calls"] + 1 > one["calls"]
        what = f"limits.csv line {one['line']} ({one['level']} {one['part']})"
        said = f"{what}: {one['full']:.0%} of {one['calls']} calls"
        screen.line(f"{said}: the next one is rejected" if over else said, "bad" if over else "dim")
