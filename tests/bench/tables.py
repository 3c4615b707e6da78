"""Make tables of any size in the shape that sites write them; the same seed makes the same bytes.

usage: python -m tests.bench.tables DIR [--rules N] [--networks N] [--ranges N] [--policy N]
                                        [--trunks N] [--seed N]

A third of the rules ask for a prefix or a few of them, a third for a network, alone or together
with a customer, liveness or porting; the rest for customers, callers, short codes, countries, hours
and bank holidays. No two rules tie, and no policy speaks of the home country, +44.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

Row = dict[str, str]

_COUNTRIES: Final = """
GB:44:234,235 IE:353:272 FR:33:208 DE:49:262 ES:34:214 IT:39:222 NL:31:204 BE:32:206 CH:41:228
AT:43:232 DK:45:238 SE:46:240 NO:47:242 FI:358:244 PL:48:260 CZ:420:230 SK:421:231 HU:36:216
PT:351:268 GR:30:202 RO:40:226 BG:359:284 HR:385:219 SI:386:293 LT:370:246 LV:371:247 EE:372:248
TR:90:286 IL:972:425 AE:971:424 SA:966:420 EG:20:602 ZA:27:655 NG:234:621 KE:254:639 IN:91:404
CN:86:460 JP:81:440 AU:61:505 BR:55:724 MX:52:334 AR:54:722 US:1:310,311,312,313,314,315,316
"""
"""Country, calling code (ITU-T E.164), mobile country codes (ITU-T E.212)."""

_LONG_MNCS: Final = frozenset({"302", "334", "722", *map(str, range(310, 317))})
"""Whose network codes have three digits."""

_ROUTE_COLUMNS: Final = (
    *("rule", "priority", "account", "from", "mccmnc", "prefix", "country", "line", "ported"),
    *("live", "when", "action", "trunks", "comment"),
)
_OFFICE: Final = "Mon-Fri 08:00-18:00"
_WHEN: Final = (
    _OFFICE,
    "Mon-Fri 18:00-08:00;Sat;Sun",
    f"{_OFFICE} Europe/London",
    "Mon-Thu 07:30-17:00;Fri 07:30-13:00",
    "Sat-Sun",
    "@holidays;Sat-Sun 22:00-06:00",
)
_LINES: Final = ("mobile", "!mobile")
_TOLD_APART_BY_NONE: Final = frozenset({"prefix", "when", "line", "live", "action"})
_FORMATS: Final = ("e164", "e164", "e164", "plus", "00", "national:GB")
_GROUPS: Final = 20
_ACCOUNTS: Final = 200


@dataclass(frozen=True, slots=True)
class Country:
    """ISO alpha-2, calling code, and networks as the tables write them."""

    name: str
    code: str
    networks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """How many of each there are; the fields are the options of the command."""

    rules: int = 5_000
    networks: int = 1_500
    ranges: int = 200_000
    policy: int = 100_000
    trunks: int = 500
    seed: int = 1


SMALL: Final = Size(rules=60, networks=60, ranges=300, policy=200, trunks=12)
"""For tests."""


def countries(networks: int) -> tuple[Country, ...]:
    """Return the countries, which have so many networks together."""
    parts = [text.split(":") for text in _COUNTRIES.split()]
    codes: dict[str, list[str]] = {name: [] for name, _, _ in parts}
    every = [(name, mcc) for name, _, mccs in parts for mcc in mccs.split(",")]
    for at in range(networks):
        name, mcc = every[at % len(every)]
        mnc = f"{at // len(every) * 10:03}" if mcc in _LONG_MNCS else f"{at // len(every) + 10:02}"
        codes[name].append(f"{mcc}-{mnc}")
    return tuple(Country(name, code, tuple(codes[name])) for name, code, _ in parts)


@dataclass(slots=True)
class _Maker:
    """The dice, and what they choose from."""

    size: Size
    places: tuple[Country, ...]
    dice: random.Random

    def country(self) -> Country:
        """Return any country, the home country as often as all others together."""
        return self.places[0] if self.dice.random() < 0.5 else self.dice.choice(self.places)

    def digits(self, count: int) -> str:
        return "".join(self.dice.choices("0123456789", k=count))

    def prefix(self) -> str:
        return self.country().code + self.digits(self.dice.randint(1, 6))

    def prefixes(self, most: int) -> Iterable[str]:
        return dict.fromkeys(self.prefix() for _ in range(most))

    def network(self) -> str:
        return self.dice.choice(self.country().networks or self.places[0].networks)

    def account(self) -> str:
        return f"customer{self.dice.randrange(_ACCOUNTS)}"

    def tiers(self) -> str:
        """Return a trunks cell: weights, a second choice, a last resort."""
        first, second, third, fourth = _different(self.dice, self.size.trunks, 4)
        group = f"@group{self.dice.randrange(_GROUPS)}"
        return self.dice.choice(
            (
                f"{first}:7 {second}:3 > {third}",
                f"{first} > {second} > {third}",
                f"{first}:70 {second}:20 {third}:10 > {fourth}!",
                f"{first} {second} > {third}",
                group,
                f"{first} > {second}",
            )
        )


def _different(dice: random.Random, trunks: int, count: int) -> list[str]:
    return [_trunk(number) for number in dice.sample(range(trunks), count)]


def _trunk(number: int) -> str:
    return f"trunk{number:03}"


# ---- routes ------------------------------------------------------------------------------

_KINDS: Final[tuple[tuple[int, Callable[[_Maker], Row]], ...]] = (
    (28, lambda maker: {"prefix": maker.prefix()}),
    (6, lambda maker: {"prefix": "|".join(maker.prefixes(5))}),
    (6, lambda maker: {"prefix": maker.prefix(), "when": maker.dice.choice(_WHEN)}),
    (3, lambda maker: {"prefix": maker.prefix(), "line": maker.dice.choice(_LINES)}),
    (3, lambda maker: {"prefix": f"={maker.digits(4)}"}),
    (18, lambda maker: {"mccmnc": maker.network()}),
    (2, lambda maker: {"mccmnc": maker.network(), "ported": "yes"}),
    (2, lambda maker: {"mccmnc": maker.network(), "live": "dead", "action": "reject:1"}),
    (8, lambda maker: {"account": maker.account(), "mccmnc": f"@{maker.country().name.lower()}"}),
    (12, lambda maker: {"account": maker.account(), "prefix": maker.prefix()}),
    (6, lambda maker: {"account": maker.account(), "country": maker.country().name}),
    (5, lambda maker: {"from": maker.prefix(), "country": maker.country().name}),
    (1, lambda maker: {"country": maker.country().name}),
)
"""How many rules of a hundred are of each kind, and how one is made."""

_TRIES: Final = 100


def _routes(maker: _Maker) -> Iterable[Row]:
    yield {"rule": "emergency", "line": "emergency", "trunks": f"{_trunk(0)} > {_trunk(1)}"}
    odds, kinds = zip(*_KINDS, strict=True)
    used: set[tuple[str, ...]] = set()
    for made in range(maker.size.rules - 2):
        for _ in range(_TRIES):
            cells = maker.dice.choices(kinds, odds)[0](maker)
            keys = set(_keys(cells))
            if used.isdisjoint(keys):
                break
        else:
            raise ValueError("so many rules cannot be made without a tie")
        used |= keys
        trunks = "" if "action" in cells else maker.tiers()
        yield {"rule": f"r{made:05}", **cells, "trunks": trunks}
    yield {"rule": "default", "trunks": f"{_trunk(0)} > {_trunk(1)}"}


def _keys(cells: Row) -> Iterator[tuple[str, ...]]:
    """Yield what no other rule may have: two rules that tie would have one of these in common."""
    rest = [value for column, value in cells.items() if column not in _TOLD_APART_BY_NONE]
    for item in cells.get("prefix", "").split("|"):
        yield (*sorted(cells), *rest, item)


# ---- the other files ---------------------------------------------------------------------


def _trunks(maker: _Maker) -> Iterable[Row]:
    for number in range(maker.size.trunks):
        yield {
            "trunk": _trunk(number),
            "tech": "PJSIP",
            "number_format": maker.dice.choice(_FORMATS),
            "ring_s": str(maker.dice.choice((30, 45, 60))),
            "cps": "500" if number % 50 == 7 else "",
            "enabled": "no" if number % 50 == 9 else "yes",
        }


def _ranges(maker: _Maker) -> Iterable[Row]:
    home = [place for place in maker.places if place.networks]
    seen: set[str] = set()
    while len(seen) < maker.size.ranges:
        place = maker.dice.choice(home)
        prefix = place.code + maker.digits(maker.dice.choice((3, 4, 5, 5, 6, 6, 7)))
        if prefix not in seen:
            seen.add(prefix)
            yield {
                "prefix": prefix,
                "mccmnc": maker.dice.choice(place.networks),
                "line": maker.dice.choice(("mobile", "mobile", "landline", "")),
            }


def _policy(maker: _Maker) -> Iterable[Row]:
    """Yield rows as lists of fraudulent ranges are: prefixes abroad, few of them with more."""
    seen: set[str] = set()
    while len(seen) < maker.size.policy:
        place = maker.dice.choice(maker.places[1:])
        prefix = place.code + maker.digits(maker.dice.randint(3, 8))
        if prefix in seen:
            continue
        seen.add(prefix)
        row = {"prefix": prefix, "action": "deny", "comment": "seen in revenue-share fraud"}
        kind = maker.dice.randrange(100)
        if kind < 2:
            row |= {"account": maker.account(), "action": "allow"}
        elif kind < 4 and place.networks:
            row |= {"mccmnc": maker.dice.choice(place.networks)}
        elif kind < 9:
            row |= {"action": "nodip", "comment": "not worth a lookup"}
        yield row


def _groups(maker: _Maker) -> Iterable[Row]:
    for number in range(_GROUPS):
        members = _different(maker.dice, maker.size.trunks, 3)
        yield {"group": f"group{number}", "trunks": f"{members[0]}:5 {members[1]}:3 {members[2]}:2"}


def _networks(maker: _Maker) -> Iterable[Row]:
    for place in maker.places:
        yield from ({"set": place.name.lower(), "mccmnc": one} for one in place.networks)


def _calendars(maker: _Maker) -> Iterable[Row]:
    del maker
    for year in range(2026, 2036):
        yield from (
            {"calendar": "holidays", "date": f"{year}-{day}"} for day in ("01-01", "12-25", "12-26")
        )


_FILES: Final[tuple[tuple[str, Sequence[str], Callable[[_Maker], Iterable[Row]]], ...]] = (
    ("networks.csv", ("set", "mccmnc"), _networks),
    ("routes.csv", _ROUTE_COLUMNS, _routes),
    ("trunks.csv", ("trunk", "tech", "number_format", "ring_s", "cps", "enabled"), _trunks),
    ("groups.csv", ("group", "trunks"), _groups),
    ("calendars.csv", ("calendar", "date"), _calendars),
    ("ranges.csv", ("prefix", "mccmnc", "line"), _ranges),
    (
        "policy.csv",
        ("prefix", "account", "mccmnc", "line", "action", "comment"),
        _policy,
    ),
)


def made(size: Size) -> dict[str, bytes]:
    """Return the files by name."""
    places = countries(size.networks)
    found = {}
    for name, columns, rows in _FILES:
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        # A seed for each file: more ranges leave the rules as they are.
        writer.writerows(rows(_Maker(size, places, random.Random(f"{size.seed} {name}"))))
        found[name] = text.getvalue().encode()
    return found


def write(directory: Path, size: Size) -> Path:
    """Write the files into a directory, and return it."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in made(size).items():
        (directory / name).write_bytes(data)
    return directory


def change(directory: Path, number: int) -> None:
    """Send the calls of the default route elsewhere: another table for every number."""
    path = directory / "routes.csv"
    rest, _, _ = path.read_text().rstrip("\n").rpartition("\n")
    row = f"default,,,,,,,,,,,,{_trunk(2 + number % 2)} > {_trunk(1)},change {number}"
    path.write_text(f"{rest}\n{row}\n")


def main() -> None:
    """Read the command line and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("directory", type=Path)
    for one in fields(Size):
        parser.add_argument(f"--{one.name}", type=int, default=one.default)
    given = vars(parser.parse_args())
    write(given.pop("directory"), Size(**given))


if __name__ == "__main__":
    main()
