"""The ten everyday cases of docs/tables.md: each row of calls.csv says where a call has to go.

Both the tables and the expected values were written by hand, from what the page promises. The page
shows rows of these tables and what ``dialdip explain`` says of them: both are compared here.
"""

from __future__ import annotations

import csv
import random
import re
import shlex
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from agi.cli.main import dialdip
from agi.e164 import NumberingPlan
from agi.errors import TableError
from agi.model import Decision
from agi.question import question_of
from agi.routing.choose import decide
from agi.routing.reading import files
from agi.routing.table import Table
from tests.cli.test_cli import dialdip as program
from tests.service import started

ROOT = Path(__file__).parent.parent
CASES = sorted((ROOT / "docs" / "cases").iterdir())
PAGE = (ROOT / "docs" / "tables.md").read_text()
ZONE = "Europe/London"
PLAN = NumberingPlan("GB", ("112", "999"))
Row = dict[str, str]


def rows_of(case: Path) -> list[Row]:
    with (case / "calls.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


CALLS = [
    pytest.param(case, row, id=f"{case.name}:{line}")
    for case in CASES
    for line, row in enumerate(rows_of(case), 2)
]


@cache
def table_of(case: Path) -> Table:
    return files.load(case / "tables", 1, ZONE).table


def decided(case: Path, row: Row, dice: random.Random | None = None) -> Decision:
    """Decide a call of ``calls.csv``; without dice the first choice of each draw as written."""
    asked = {
        "number": row["number"],
        "caller": row["from"],
        **{n: row[n] for n in ("account", "at", "mccmnc", "live", "ported", "fraud")},
    }
    question = question_of(asked, ZONE)
    draw = (lambda: 0.0) if dice is None else dice.random
    return decide(table_of(case), question.context(PLAN, 0.0), question.supposing(None), draw, "id")


def tiers_of(row: Row) -> list[list[tuple[str, str]]]:
    """Return the expected tiers, each trunk with the number that it gets."""
    numbers = iter(row["numbers"].split())
    tiers = row["trunks"].split(">") if row["trunks"] else []
    return [[(name, next(numbers)) for name in tier.split()] for tier in tiers]


def test_there_are_ten_cases_and_each_is_on_the_page() -> None:
    assert [f"{number:02}" for number in range(1, 11)] == [case.name[:2] for case in CASES]
    for case in CASES:
        assert f"cases/{case.name}" in PAGE


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_tables_of_a_case_are_good_without_any_doubt(case: Path) -> None:
    assert () == files.load(case / "tables", 1, ZONE).warnings


@pytest.mark.parametrize(("case", "row"), CALLS)
def test_a_call_goes_where_its_row_says(case: Path, row: Row) -> None:
    decision = decided(case, row)
    cause = int(row["cause"]) if row["cause"] else None
    assert (row["action"], cause, row["rule"]) == (decision.action, decision.cause, decision.rule)
    expected = [hop for tier in tiers_of(row) for hop in tier]
    assert expected == [(hop.trunk, hop.number) for hop in decision.hops]


@pytest.mark.parametrize(("case", "row"), CALLS)
def test_dice_change_the_order_within_a_tier_and_nothing_else(case: Path, row: Row) -> None:
    dice = random.Random(4)
    for _ in range(20):
        hops = [(hop.trunk, hop.number) for hop in decided(case, row, dice).hops]
        for tier in tiers_of(row):
            assert sorted(tier) == sorted(hops[: len(tier)])
            hops = hops[len(tier) :]
        assert [] == hops


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_rule_of_a_case_has_a_call(case: Path) -> None:
    named = {rule.name for rule in table_of(case).rules}
    assert named <= {row["rule"] for row in rows_of(case)}
    assert all(row["why"] for row in rows_of(case))


def test_seventy_twenty_ten_is_what_ten_thousand_calls_get() -> None:
    (case,) = (case for case in CASES if case.name.startswith("04-"))
    dice, row, count = random.Random(70_20_10), rows_of(case)[0], 10_000
    first = Counter(decided(case, row, dice).hops[0].trunk for _ in range(count))
    expected = {"a": 0.7 * count, "b": 0.2 * count, "c": 0.1 * count}
    assert expected.keys() == first.keys()
    # Two degrees of freedom: 13.8 is passed once in a thousand; the seed is fixed.
    assert 13.8 > sum((first[name] - want) ** 2 / want for name, want in expected.items())


# The page.

SECTIONS = re.findall(r"^## ([0-9]+)\. .*?\n(.*?)(?=^## )", PAGE, re.DOTALL | re.MULTILINE)
SHOWN = [
    pytest.param(CASES[int(number) - 1], command, output, id=f"{number}:{command}")
    for number, text in SECTIONS
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
]


def test_every_case_of_the_page_shows_rows_and_an_explanation() -> None:
    assert [str(number) for number in range(1, 11)] == [number for number, _ in SECTIONS]
    for _, text in SECTIONS:
        assert "```csv\n" in text
        assert "$ dialdip explain " in text
        assert "**The trap.**" in text


@pytest.mark.parametrize(("number", "text"), SECTIONS, ids=[number for number, _ in SECTIONS])
def test_the_rows_of_the_page_are_the_rows_of_the_case(number: str, text: str) -> None:
    tables = CASES[int(number) - 1] / "tables"
    for name, block in re.findall(r"`([a-z]+\.csv)`:?\n\n```csv\n(.*?)```", text, re.DOTALL):
        there = (tables / name).read_text().splitlines()
        shown = [line for line in block.splitlines() if line != "..."]
        assert shown == [line for line in there if line in shown], name


@pytest.mark.parametrize(("case", "command", "output"), SHOWN)
def test_the_page_shows_what_the_command_says(
    case: Path, command: str, output: str, tmp_path: Path
) -> None:
    config = tmp_path / "dialdip.toml"
    config.write_text(
        f'state_directory = "{tmp_path}"\n[numbers]\ncountry = "GB"\nemergency = ["112", "999"]\n'
        f'[tables]\ndirectory = "{case / "tables"}"\ntimezone = "{ZONE}"\n'
    )
    assert "dialdip" == shlex.split(command)[0]
    said = CliRunner().invoke(dialdip, ["--config", str(config), *shlex.split(command)[1:]])
    shown = [line.strip() for line in said.output.splitlines()]
    wanted = [line.strip() for line in output.splitlines()]
    holds_in_order(shown, wanted)


def holds_in_order(shown: list[str], wanted: list[str]) -> None:
    """Compare lines: those after a line of dots may stand anywhere further down, others at once."""
    at, anywhere = 0, False
    for line in wanted:
        if line == "...":
            anywhere = True
            continue
        assert line in (shown[at:] if anywhere else shown[at : at + 1]), shown
        at, anywhere = shown.index(line, at) + 1, False
    assert anywhere or at == len(shown)


def said_of(tmp_path: Path, case: str, before: str, after: str) -> str:
    """Return what the check says of a case's tables with one text replaced in all files."""
    (source,) = (one / "tables" for one in CASES if one.name.startswith(case))
    texts = {path.name: path.read_bytes() for path in source.iterdir()}
    assert any(before.encode() in text for text in texts.values())
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text.replace(before.encode(), after.encode()))
    try:
        found = files.load(tmp_path, 1, ZONE).warnings
    except TableError as refused:
        found = refused.faults
    return "\n".join(map(str, found))


@pytest.mark.parametrize(
    ("case", "before", "after", "what"),
    [
        ("01", ",", ";", "the separator is ';': save the file with commas"),
        ("01", "234-15", "23.415", "a decimal point: write a whole number"),
        ("01", "yes", "TRUE", "a spreadsheet made a truth value of it"),
        ("01", "b > c", "b \u2013 c", "U+2013 (EN DASH) is not ASCII, even if it looks so"),
        ("01", ",GB,", ",UK,", "'UK': write an ISO 3166 alpha-2 code such as GB; did you mean"),
        (
            "02",
            "\nemergency,,emergency,transit > isdn-london",
            "",
            "no rule with only line=emergency: other emergency calls take the default route",
        ),
        (
            "03",
            "=101|=111|=123|=1471",
            "Err:509",
            "a spreadsheet's error stands in place of the value: enter it again",
        ),
        ("05", "2026-12-25", "25/12/2026", "write a date as year-month-day"),
        ("05", "\ndefault,", "\nlate,,Fri 22:00-06:00,day\ndefault,", "tie"),
        ("05", "08:00; Sat-Sun; ", "08:00,Sat-Sun,", "did a spreadsheet part a cell at its ';'?"),
        ("05", "18:00-08:00", "18:00-18:00", "write 00:00-24:00"),
        ("06", "\n449,", "\n44 9,", "blanks between the digits: remove them"),
        ("06", "\n353,", "\n3-5-26,", "a spreadsheet made a date of a number"),
        ("06", "and Ireland", "=Ireland", "run"),
        (
            "07",
            "30|31|",
            "4.92E+10|31|",
            "a spreadsheet shortened a long number: format the column as text, enter all digits",
        ),
        ("08", "pin,00,", "pin,0,", "a spreadsheet dropped a 0 of 00"),
        ("08", "00,2,99", '00,"2,5",99', "a decimal comma: write a whole number"),
        (
            "08",
            "00,2,99",
            "00,2,'99",
            "a spreadsheet's apostrophe stands before the value: remove it",
        ),
        (
            "10",
            ",flag",
            ",ignore",
            "never matches: no account asks for a fraud check",
        ),
    ],
)
def test_the_check_says_what_the_page_says_it_does(
    case: str, before: str, after: str, what: str, tmp_path: Path
) -> None:
    assert what in said_of(tmp_path, case, before, after)
    assert what in PAGE


def test_what_the_page_says_the_check_cannot_see_it_does_not_see(tmp_path: Path) -> None:
    assert not said_of(tmp_path, "03", "=101|=111|=123|=1471", "123")
    assert not said_of(tmp_path, "08", "00,2,99", "00,2,44")


def test_without_its_priority_a_dead_number_goes_out_as_the_page_says(tmp_path: Path) -> None:
    assert not said_of(tmp_path, "09", "dead,10,", "dead,,")
    table = files.load(tmp_path, 1, ZONE).table
    question = question_of({"number": "07788450450", "mccmnc": "23415", "live": "dead"}, ZONE)
    context, finding = question.context(PLAN, 0.0), question.supposing(None)
    assert "gb-vodafone" == decide(table, context, finding, lambda: 0.0, "id").rule


# The working week, on the tables that a new site begins with.

WEEK = PAGE[PAGE.index("## The working week") : PAGE.index("## Spreadsheets")]
BLOCKS = dict(re.findall(r"```console\n\$ dialdip (table \w+|explain).*\n((?:.*\n)*?)```", WEEK))
LISTEN, ACCOUNT = 'listen = "127.0.0.1:4573"', '[[providers]]\nname = "npl"'


@dataclass(frozen=True)
class Site:
    """A new site, and what the commands about its tables say there, with their exit status."""

    directory: Path

    @property
    def routes(self) -> Path:
        return self.directory / "tables" / "routes.csv"

    def begin(self) -> Site:
        program("config", "init", str(self.directory))
        config = self.directory / "dialdip.toml"
        config.write_text(f'state_directory = "{self.directory}/state"\n{config.read_text()}')
        return self

    def said(self, *words: str, status: int = 0) -> str:
        done = program("--config", str(self.directory / "dialdip.toml"), "table", *words)
        assert status == done.returncode, done.stderr
        return done.stdout + done.stderr

    def change(self, before: str, after: str) -> None:
        text = self.routes.read_text()
        assert before in text
        self.routes.write_text(text.replace(before, after))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path).begin()


def plainly(text: str, site: Site) -> list[list[str]]:
    """Return the words of each line; directories as on the page, contents of versions unnamed."""
    text = text.replace(str(site.directory), "/etc/dialdip")
    lines = re.sub(r"\b([0-9]{6})-[0-9a-f]{8}\b", r"\1", text).splitlines()
    return [line.split() for line in lines]


def test_the_fault_and_the_difference_of_the_page_are_what_the_commands_say(site: Site) -> None:
    site.said("activate", "--why", "first tables", "--yes")
    site.change("gb,,,,GB", "gb,,,,UK")
    assert plainly(BLOCKS["table check"], site) == plainly(site.said("check", status=1), site)
    site.change("gb,,,,UK", "gb,,,,GB")
    site.change("-10,,,,,o2 > transit-a transit-b", "-10,,,,,transit-b > transit-a")
    assert plainly(BLOCKS["table diff"], site) == plainly(site.said("diff"), site)


def test_the_week_of_the_page_goes_as_it_says(site: Site) -> None:
    kept = site.routes.read_bytes()
    site.said("activate", "--why", "first tables", "--yes")
    site.change("gb-o2,", "gb-telefonica,")
    site.said("activate", "--why", "nobody can be asked here", status=2)
    assert "000002" in site.said("activate", "--why", "a better name", "--yes")
    site.change("gb-telefonica,", "gb-telefonica-uk,")
    late = site.said("activate", "--why", "too late", "--yes", "--expect", "1", status=1)
    assert "somebody else was quicker" in late
    assert "holds other tables" in site.said("rollback", "--why", "echo", "--yes")
    site.said("export", str(site.routes.parent), status=2)
    site.said("export", "--force", str(site.routes.parent))
    assert kept == site.routes.read_bytes()
    second = site.directory / "second"
    site.said("export", str(second), "--version", "2")
    assert b"gb-telefonica," in (second / "routes.csv").read_bytes()
    assert "gb-telefonica" in site.said("diff", "1", "2")
    assert "a better name" in site.said("versions")
    assert "the store is good" in site.said("verify")


def served(site: Site) -> Site:
    """Have a new site's service take a free port and no provider, whose password is not there."""
    config = site.directory / "dialdip.toml"
    text = config.read_text()
    assert LISTEN in text
    assert ACCOUNT in text
    text = text.replace(LISTEN, LISTEN.replace("4573", "0"))
    config.write_text(text.replace(ACCOUNT, f"{ACCOUNT}\nenabled = false"))
    return site


def wanted(block: str, site: Site) -> list[str]:
    return [" ".join(words) for words in plainly(BLOCKS[block], site)]


def test_what_the_page_shows_of_a_running_service_is_what_it_says(site: Site) -> None:
    def as_shown(text: str) -> list[str]:
        return [" ".join(words) for words in plainly(text, site)]

    config = str(served(site).directory / "dialdip.toml")
    gb_o2 = "-10,,,,,o2 > transit-a transit-b", "-10,,,,,transit-b > transit-a"
    with started(site.directory, "--config", config, "serve") as running:
        assert "first start" in site.said("versions")
        site.change(*gb_o2)
        said = site.said("activate", "--why", "O2 raised its price, ticket 4711", "--yes")
        holds_in_order(as_shown(said), wanted("table activate", site))
        said = site.said("rollback", "--why", "transit-b has echo", "--yes")
        said = said.partition("dialdip: ")[0]  # on stderr: the working copy is another
        holds_in_order(as_shown(said), wanted("table rollback", site))
        site.change(*reversed(gb_o2))
        told = running.ask("07788450450", uniqueid="1795274212.29642").variables
        site.change("transit-a:3 transit-b:1,", "transit-b > transit-a,")
        site.said("activate", "--why", "transit-a has echo", "--yes")
        done = program("--config", config, "explain", "--call", "1795274212.29642")
    # Which decision, when, and the order that the dice gave: of the page's call alone.
    block = wanted("explain", site)[2:]
    assert done.stdout.startswith(f"{told['CARRIER_ID']}, channel 1795274212.29642, ")
    holds_in_order(as_shown(done.stdout)[2:], block)
