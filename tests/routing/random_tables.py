"""Make random tables and calls for the reference router, as texts and plain dictionaries.

The alphabets are small, so that rules collide often; nothing of the package is used.
"""

from __future__ import annotations

import datetime as dt
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

ZONE = "Europe/London"
EMERGENCY = ("112", "999")

ITEMS: dict[str, tuple[str, ...]] = {
    "account": ("acme", "bob", "carol"),
    "from": ("4", "44", "447", "33", "2", "20", "200", "anonymous"),
    "mccmnc": ("23415", "234-20", "20801", "310260", "234", "208", "310", "@uk", "@mix"),
    "prefix": ("4", "44", "447", "4477", "33", "331", "1", "=1471", "=07700", "=+44770"),
    "country": ("GB", "FR", "US"),
    "line": ("mobile", "landline", "mobile-or-landline", "voip", "premium", "other"),
    "ported": ("yes", "no"),
    "live": ("live", "absent", "dead"),
    "fraud": ("passed", "not-mobile", "suspicious"),
}
SETS = {"uk": (("23415",), ("23420", "23430")), "mix": (("208", "310260"),)}
COVERED = {"@uk": {"23415", "234-20"}, "@mix": {"208", "310260"}}
COLUMNS = ("rule", "priority", *ITEMS, "when", "action", "trunks", "comment")
DAYS = (
    *("Mon", "Sat", "Sun", "Mon-Fri", "Sat-Mon", "Fri-Tue", "@hols"),
    *("2026-10-24", "2026-10-25", "2026-12-25", "2027-03-28"),
)
TIMES = (
    "",
    "00:00-24:00",
    "01:00-02:00",
    "08:00-18:00",
    "22:00-06:00",
    "22:00-01:30",
    "00:45-01:30",
    "01:30-01:00",
    "18:00-24:00",
)
ZONES = ("", "", "UTC", "America/New_York", "Asia/Kolkata")
HOLIDAYS = ("2026-12-25", "2026-12-26", "2027-01-01")
# Both switches of London's and New York's clocks, a year's end, and an ordinary week.
MOMENTS = ("2026-10-25", "2027-03-28", "2026-11-01", "2027-03-14", "2026-12-26", "2027-06-07")

Call = dict[str, Any]


def random_table(dice: Random) -> dict[str, str]:
    """Return the texts of a table's files: rules tie often, but nothing else is wrong with it."""
    names = [f"t{n}" for n in range(dice.randint(1, 12))]
    count, chances = dice.randint(1, 40), _chances(dice)
    groups = {f"g{n}": _members(dice, names[n::3]) for n in range(3) if names[n::3]}
    if "g0" in groups and "g1" in groups and dice.random() < 0.5:
        groups["all"] = "@g0 @g1"
    rules = [_rule(dice, f"r{n}", chances, names, tuple(groups)) for n in range(count)]
    default = {"rule": "default", "trunks": _trunks(dice, names, ())}
    if dice.random() < 0.2:
        default["priority"] = dice.choice(("-1", "1"))
    rules.insert(dice.randint(0, count), default)
    return {
        "trunks": _sheet(
            ("trunk", "number_format", "strip", "prepend", "enabled"),
            [_trunk(dice, name) for name in names],
        ),
        "routes": _sheet(COLUMNS, rules),
        "groups": _sheet(
            ("group", "trunks"), [{"group": g, "trunks": t} for g, t in groups.items()]
        ),
        "networks": _sheet(
            ("set", "mccmnc"),
            [{"set": s, "mccmnc": "|".join(row)} for s, rows in SETS.items() for row in rows],
        ),
        "calendars": _sheet(
            ("calendar", "date"), [{"calendar": "hols", "date": d} for d in HOLIDAYS]
        ),
        "ranges": _sheet(("prefix", "mccmnc", "line"), _ranges(dice)),
        "policy": _sheet(("prefix", "account", "mccmnc", "line", "action"), _policy(dice)),
    }


def _chances(dice: Random) -> dict[str, float]:
    """Return how often each cell is filled: all alike, or a few nearly always."""
    columns = (*ITEMS, "when")
    if dice.random() < 0.7:
        return dict.fromkeys(columns, dice.choice((0.05, 0.15, 0.3, 0.5)))
    return dict.fromkeys(columns, 0.02) | dict.fromkeys(dice.sample(columns, 2), 0.9)


def _sheet(columns: tuple[str, ...], rows: list[dict[str, str]]) -> str:
    lines = [",".join(row.get(column, "") for column in columns) for row in rows]
    return "\n".join((",".join(columns), "# a comment", *lines, ""))


def _trunk(dice: Random, name: str) -> dict[str, str]:
    return {
        "trunk": name,
        "number_format": dice.choice(("", "", "e164", "plus", "00", "national:GB", "national:ES")),
        "strip": dice.choice(("", "", "1", "2", "5", "14")),
        "prepend": dice.choice(("", "", "1234#", "0", "+", "0123456789012345")),
        "enabled": dice.choice(("", "yes", "yes", "no")) if name != "t0" else "",
    }


def _members(dice: Random, names: list[str]) -> str:
    chosen = dice.sample(names, dice.randint(1, min(4, len(names))))
    return " ".join(n + dice.choice(("", "", f":{dice.randint(1, 1000)}")) for n in chosen)


def _trunks(dice: Random, names: list[str], groups: tuple[str, ...]) -> str:
    tiers = [_members(dice, names) for _ in range(dice.randint(1, 3))]
    if groups and dice.random() < 0.3:
        tiers[dice.randrange(len(tiers))] = f"@{dice.choice(groups)}"
    return " > ".join(tiers) + dice.choice(("", "", "!"))


def _cell(dice: Random, column: str) -> str:
    items = ITEMS[column]
    chosen = dice.sample(items, min(len(items), dice.choice((1, 1, 1, 2, 3))))
    named = set().union(*(COVERED.get(item, set()) for item in chosen))
    return dice.choice(("", "", "", "!")) + "|".join(i for i in chosen if i not in named)


def _when(dice: Random) -> str:
    spans = (
        " ".join(filter(None, (dice.choice(DAYS), dice.choice(TIMES), dice.choice(ZONES))))
        for _ in range(dice.choice((1, 1, 2)))
    )
    found = dict.fromkeys(spans)
    return (
        dice.choice(list(found)) if len({_plain(span) for span in found}) < 2 else ";".join(found)
    )


def _plain(span: str) -> str:
    return span.replace(" 00:00-24:00", "")


def _rule(
    dice: Random, name: str, chances: dict[str, float], names: list[str], groups: tuple[str, ...]
) -> dict[str, str]:
    row = {column: _cell(dice, column) for column in ITEMS if dice.random() < chances[column]}
    row |= {"rule": name, "trunks": _trunks(dice, names, groups)}
    if dice.random() < chances["when"]:
        row["when"] = _when(dice)
    if dice.random() < 0.2:
        row["priority"] = dice.choice(("-1", "1", "2"))
    if dice.random() < 0.12:
        for column in ("mccmnc", "ported", "live", "fraud"):
            row.pop(column, None)
        # Such a rule must have a trunk that is enabled.
        row |= {"line": "emergency", "trunks": f"{row['trunks'].rstrip('!')} > t0"}
        if "prefix" in row:
            row["prefix"] = dice.choice(("=112", "=999", "!=112", "=112|=999", "!=112|=999"))
    elif dice.random() < 0.15:
        row |= {"action": f"reject:{dice.choice((1, 21, 27))}", "trunks": ""}
    return row


def _ranges(dice: Random) -> list[dict[str, str]]:
    networks = [item for item in ITEMS["mccmnc"] if len(item) > 3 and item[0] != "@"]
    prefixes = dice.sample(("4", "44", "447", "4477", "33", "331", "12"), dice.randint(0, 5))
    lines = ("", "", *ITEMS["line"])
    return [
        {"prefix": p, "mccmnc": dice.choice(networks), "line": dice.choice(lines)} for p in prefixes
    ]


def _policy(dice: Random) -> list[dict[str, str]]:
    rows, seen = [], set()
    for _ in range(dice.choice((0, 0, 2, 6))):
        columns = ("prefix", "account", "mccmnc", "line")
        row = {column: _cell(dice, column) for column in columns if dice.random() < 0.5}
        # Cells of the same items are alike, so that no row says what another one does.
        texts = (row.get(c, "").strip("!").replace("@mix", "208|310260") for c in columns)
        same = tuple(frozenset(text.split("|")) for text in texts)
        if row and same not in seen:
            seen.add(same)
            rows.append({**row, "action": dice.choice(("deny", "allow", "nodip"))})
    return rows


# ---- calls ---------------------------------------------------------------------------------


def random_call(dice: Random, rules: list[dict[str, str]]) -> Call:
    """Return a call; every other one is made from the cells of one of the rules."""
    rule = dice.choice(rules) if rules and dice.random() < 0.5 else {}
    value = {column: _value(dice, column, rule) for column in ITEMS}
    urgent = rule.get("line") == "emergency" or dice.random() < 0.05
    digits, msisdn, kind = _number(dice, value["prefix"])
    if urgent:
        digits, msisdn, kind = dice.choice(EMERGENCY), None, "emergency"
    line = "emergency" if urgent else value["line"] or None
    return {
        "kind": kind,
        "digits": digits,
        "msisdn": msisdn,
        "country": value["country"],
        "line": line,
        "said_line": dice.choice((None, None, *ITEMS["line"])),
        "account": value["account"],
        "caller": _caller(dice, value["from"]),
        "mccmnc": None if urgent else _network(dice, value["mccmnc"]),
        "ported": None if urgent else value["ported"] or None,
        "live": value["live"] or None,
        "fraud": value["fraud"] or None,
        "error": None if urgent else dice.choice((None,) * 9 + ("default", "range", "reject:38")),
        "at": _moment(dice),
        "closed": frozenset(f"t{n}" for n in range(12) if dice.random() < 0.1),
    }


def _value(dice: Random, column: str, rule: dict[str, str]) -> str:
    text = rule.get(column, "")
    if text and text[0] != "!" and text != "emergency":
        return dice.choice(text.split("|"))
    return dice.choice(("", *ITEMS[column]))


def _tail(dice: Random, longest: int) -> str:
    return "".join(dice.choices("0147", k=dice.randint(0, longest)))


def _number(dice: Random, item: str) -> tuple[str, str | None, str]:
    if item.startswith("="):
        digits, msisdn = item[1:], dice.choice((None, "44770", f"4477{_tail(dice, 5)}"))
    else:
        digits, msisdn = (
            dice.choice((f"+{item}1", "0123", "1471")),
            f"{item}{_tail(dice, 11)}" or None,
        )
    kinds = ("e164", "e164", "e164", "invalid") if msisdn else ("invalid", "short")
    return digits, msisdn, dice.choice(kinds)


def _caller(dice: Random, item: str) -> str:
    return item if item in ("", "anonymous") else item + _tail(dice, 3)


def _network(dice: Random, item: str) -> str | None:
    if item.startswith("@"):
        item = dice.choice([i for row in SETS[item[1:]] for i in row])
    if len(item) == 3:
        item += (
            dice.choice(("15", "20", "01", "97")) if item != "310" else dice.choice(("260", "410"))
        )
    return item.replace("-", "") or None


def _moment(dice: Random) -> float:
    zone = ZoneInfo(dice.choice((ZONE, "UTC", "America/New_York", "Asia/Kolkata")))
    day = dt.date.fromisoformat(dice.choice(MOMENTS)) + dt.timedelta(days=dice.randint(-1, 2))
    hour = dice.choice((0, 1, 2, 6, 8, 18, 22, dice.randint(0, 23)))
    minute = dice.choice((0, 0, 30, dice.randint(0, 59)))
    clock = dt.time(hour, minute, fold=dice.randint(0, 1))
    return dt.datetime.combine(day, clock, zone).timestamp() + dice.choice((0, 0, -1, -0.001, 59.9))
