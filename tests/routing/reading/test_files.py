"""A directory is loaded whole or refused whole, with every fault in it at its place."""

from __future__ import annotations

import hashlib
import os
import random
import re
import time
import tracemalloc
from pathlib import Path

import pytest

from agi.errors import Fault, TableError
from agi.model import ErrorRule, Line, Mccmnc, Msisdn, Outcome
from agi.routing.choose import decide
from agi.routing.reading.faults import LIMIT, Faults
from agi.routing.reading.files import (
    FILES,
    SAMPLE,
    SHIPPED_ERRORS,
    compile_files,
    load,
    read,
    shipped_errors,
    version_of,
)
from agi.routing.reading.sheet import MAX_FILE_BYTES
from agi.routing.rule import Facts
from agi.routing.screening import NO_SCREENING, Act, Policy, Screening
from tests.routing.making import (
    CONTEXT,
    DEFAULT,
    EMERGENCY,
    ROUTES,
    TRUNKS,
    loaded,
    places,
    rolls,
    write,
)
from tests.routing.making import found as finding

ERRORS = "provider,code,class,retry_elsewhere,negative_ttl_s,route\n"


def refused(directory: Path) -> tuple[Fault, ...]:
    with pytest.raises(TableError) as caught:
        load(directory, 1)
    return caught.value.faults


def test_the_sample_is_a_table_without_a_warning() -> None:
    assert () == load(SAMPLE, 1).warnings


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        (Facts("112", None, "GB", mccmnc=None, emergency=True), "emergency"),
        (Facts("0779", Msisdn("447788450450"), "GB", mccmnc=Mccmnc("23415")), "gb-vodafone"),
        (Facts("0779", Msisdn("447788450450"), "GB", mccmnc=Mccmnc("23410")), "gb-o2"),
        (Facts("0779", Msisdn("447788450450"), "GB", mccmnc=None), "gb"),
        (Facts("0779", Msisdn("447788450450"), "GB", mccmnc=Mccmnc("23450")), "gb"),
        (Facts("123", None, "GB", mccmnc=None), "gb"),
        (Facts("0909", Msisdn("449098790000"), "GB", mccmnc=Mccmnc("23415")), "gb-premium"),
        (Facts("070", Msisdn("447012345678"), "GB", mccmnc=Mccmnc("23415")), "gb-personal"),
        (Facts("00353", Msisdn("353871234567"), "IE", mccmnc=Mccmnc("27201")), "ie"),
        (Facts("00371", Msisdn("37120000000"), "LV", mccmnc=None), "default"),
        (Facts("00882", Msisdn("88213000000"), "", mccmnc=None), "default"),
    ],
)
def test_the_sample_routes_british_calls_and_shuts_what_fraud_dials(
    facts: Facts, rule: str
) -> None:
    assert rule == load(SAMPLE, 1).table.match(facts).name


def test_the_sample_sends_each_trunk_the_number_in_its_form() -> None:
    decision = decide(load(SAMPLE, 1).table, CONTEXT, finding("23415"), rolls(0.0), "id")
    numbers = ["+447788450450", "447788450450", "07788450450"]
    assert numbers == [hop.number for hop in decision.hops]


@pytest.mark.parametrize(
    ("code", "outcome", "route"),
    [
        ("err1", Outcome.NOT_FOUND, "default"),
        ("err29", Outcome.ABSENT, "range"),
        ("err21", Outcome.UNSUPPORTED, "range"),
        ("err11", Outcome.UNSUPPORTED, "range"),
        ("err13", Outcome.UNSUPPORTED, "range"),
        ("err36", Outcome.TEMPORARY, "range"),
    ],
)
def test_the_six_codes_of_comcetera_are_shipped(code: str, outcome: Outcome, route: str) -> None:
    rule = load(SAMPLE, 1).table.error_rule("comcetera", code)
    assert rule is not None
    assert (outcome, route) == (rule.outcome, rule.route)


def test_no_shipped_code_rejects_a_call_by_itself() -> None:
    rules = shipped_errors(Faults()).values()
    assert {"default", "range"} == {rule.route for rule in rules}


def test_a_site_replaces_shipped_codes_row_by_row_and_adds_its_own(tmp_path: Path) -> None:
    rows = "comcetera,err1,not_found,yes,5,reject:1\nlanck,11,invalid_number,no,9,range\n"
    table = loaded(tmp_path, "", errors=ERRORS + rows).table
    expected = ErrorRule("comcetera", "err1", Outcome.NOT_FOUND, True, 5, "reject:1")
    assert expected == table.error_rule("comcetera", "err1")
    assert table.error_rule("lanck", "11") is not None
    shipped = load(SAMPLE, 1).table.error_rule("comcetera", "err29")
    assert shipped == table.error_rule("comcetera", "err29")


def test_a_code_stands_once_in_a_file(tmp_path: Path) -> None:
    row = "comcetera,err1,not_found,yes,5,default\n"
    with pytest.raises(TableError) as caught:
        loaded(tmp_path, "", errors=ERRORS + row + row)
    assert [("errors.csv", 3, 2)] == places(caught.value.faults)


def test_the_version_is_the_generation_and_a_hash_of_zone_names_and_bytes(tmp_path: Path) -> None:
    write(tmp_path, trunks="trunk\na\n", routes=ROUTES + DEFAULT)
    routes, trunks = (tmp_path / "routes.csv").read_bytes(), b"trunk\na\n"
    framed = b"routes.csv\0%d\0%btrunks.csv\0%d\0%b" % (len(routes), routes, len(trunks), trunks)
    expected = hashlib.sha256(b"Europe/Riga\0" + framed).hexdigest()[:8]
    found = load(tmp_path, 42, "Europe/Riga")
    assert f"000042-{expected}" == found.compiled.version == found.table.version
    assert {"routes.csv": routes, "trunks.csv": trunks} == found.contents


def test_the_version_changes_with_the_zone_and_when_bytes_move_between_files() -> None:
    def version(contents: dict[str, bytes], zone: str = "UTC") -> str:
        return version_of(contents, zone, 1)

    assert re.fullmatch(r"000001-[0-9a-f]{8}", version({"a": b"x", "b": b"y"}))
    assert version({"a": b"x", "b": b"y"}) != version({"a": b"xb", "b": b"y"})
    assert version({"a": b"1", "b": b""}) != version({"a": b"", "b": b"1"})
    assert version({"a": b"1"}) != version({"a": b"1"}, "Europe/Riga")
    assert version({"b": b"y", "a": b"x"}) == version({"a": b"x", "b": b"y"})


def test_faults_name_the_file_as_the_person_would_type_it(tmp_path: Path) -> None:
    write(tmp_path / "tables", trunks="trunk,strip\na,x\n", routes=ROUTES + DEFAULT)
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        (fault,) = refused(Path("tables"))
    finally:
        os.chdir(before)
    assert str(fault).startswith("tables/trunks.csv:2:2: ")


def test_the_faults_of_all_files_come_at_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        trunks="trunk,ring_s\na,x\n",
        routes=ROUTES + "r,,,x,,,,a\n" + "s,,,1,,,,zz\n" + DEFAULT,
        errors=ERRORS + "comcetera,E,absent,no,1,default\n",
        groups="group,trunks\ng,a:0\n",
        networks="set,mccmnc\ns,1\n",
        calendars="calendar,date\nc,soon\n",
        policy="prefix,action\n44,perhaps\n",
        limits="account,prefix,level,calls\n,44,galaxy,9\n",
        rates="trunk,price,currency\na,1,euro\n",
        currencies="currency,rate\nEUR,many\n",
    )
    found = places(refused(tmp_path))
    assert found == sorted(found)
    assert {
        *(("errors.csv", 2, 2), ("groups.csv", 2, 2), ("routes.csv", 2, 4), ("routes.csv", 3, 8)),
        *(("trunks.csv", 2, 2), ("networks.csv", 2, 2), ("calendars.csv", 2, 2)),
        *(
            ("policy.csv", 2, 2),
            ("limits.csv", 2, 3),
            ("rates.csv", 2, 3),
            ("currencies.csv", 2, 2),
        ),
    } <= set(found)


def test_a_missing_directory_and_missing_files_are_faults(tmp_path: Path) -> None:
    (fault,) = refused(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") == fault.file
    (tmp_path / "file").write_text("")
    assert "directory" in refused(tmp_path / "file")[0].what
    assert ["routes.csv", "trunks.csv"] == [Path(f.file).name for f in refused(tmp_path)]


@pytest.mark.parametrize("present", ["routes", "trunks"])
def test_one_missing_file_is_one_fault_and_the_other_file_is_still_read(
    tmp_path: Path, present: str
) -> None:
    content = {"routes": ROUTES + DEFAULT, "trunks": TRUNKS}[present]
    missing = {"routes": "trunks.csv", "trunks": "routes.csv"}[present]
    write(tmp_path, **{present: content})
    assert [(missing, 0, 0)] == places(refused(tmp_path))
    write(tmp_path, **{present: content.encode() + b"\xff\n"})
    assert 2 == len(refused(tmp_path))


def test_what_is_not_a_regular_file_is_a_fault_and_stops_nothing(tmp_path: Path) -> None:
    write(tmp_path, trunks=TRUNKS, routes=ROUTES + DEFAULT)
    (tmp_path / "routes.csv").unlink()
    os.mkfifo(tmp_path / "routes.csv")
    (tmp_path / "trunks.csv").unlink()
    (tmp_path / "trunks.csv").mkdir()
    (tmp_path / "errors.csv").symlink_to(tmp_path / "gone")
    assert ["errors.csv", "routes.csv", "trunks.csv"] == [p[0] for p in places(refused(tmp_path))]


def test_a_file_beyond_its_limit_is_refused_unread(tmp_path: Path) -> None:
    write(tmp_path, trunks=TRUNKS, routes=ROUTES + DEFAULT)
    os.truncate(tmp_path / "routes.csv", MAX_FILE_BYTES + 1)
    (fault,) = refused(tmp_path)
    assert ("larger than 64 MiB: split it", 0) == (fault.what, fault.line)


def test_small_files_are_read_in_little_memory() -> None:
    tracemalloc.start()
    try:
        read(SAMPLE, Faults())
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1 << 20


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    write(tmp_path, trunks=TRUNKS, routes=ROUTES + DEFAULT)
    (tmp_path / "ranges.csv").symlink_to("/proc/self/status")  # proc(5): its size is always 0
    (fault,) = refused(tmp_path)
    assert "changed while it was read: try again when it is written" == fault.what


def test_f41_all_files_together_have_a_limit(tmp_path: Path) -> None:
    write(tmp_path, trunks=TRUNKS, routes=ROUTES + DEFAULT)
    for name in ("ranges.csv", "policy.csv"):
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, MAX_FILE_BYTES)
    faults = Faults()
    assert {"trunks.csv", "routes.csv", "ranges.csv"} == read(tmp_path, faults).keys()
    with pytest.raises(TableError) as caught:
        faults.refuse()
    (fault,) = caught.value.faults
    assert (f"{tmp_path}/policy.csv", 0) == (fault.file, fault.line)
    assert "all files together are larger than 128 MiB" in fault.what


def test_price_lists_are_kept_and_checked_and_not_used_yet(tmp_path: Path) -> None:
    warnings = loaded(
        tmp_path,
        "b,,,1,,,,b c d\n",
        rates="trunk,price,currency\na,0.01,EUR\n",
        currencies="currency,rate\nEUR,1\n",
    ).warnings
    assert [("currencies.csv", 1, 1), ("rates.csv", 1, 1)] == places(warnings)
    assert all("not used yet" in warning.what for warning in warnings)


def test_every_file_of_the_contract_is_known() -> None:
    names = "trunks routes groups networks calendars accounts ranges policy errors rates currencies"
    assert {f"{name}.csv" for name in (*names.split(), "limits")} == set(FILES)


def test_bytes_are_compiled_without_a_disk_and_faults_name_what_the_caller_calls_them() -> None:
    files = {"trunks.csv": TRUNKS.encode(), "routes.csv": (ROUTES + EMERGENCY + DEFAULT).encode()}
    faults = Faults()

    def compiled(contents: dict[str, bytes]) -> bool:
        return bool(
            compile_files(
                contents,
                place=lambda name: f"here/{name}",
                version="000001-0",
                timezone="UTC",
                faults=faults,
            )
        )

    assert compiled(files)
    assert not compiled({"routes.csv": b"x"})
    with pytest.raises(TableError) as caught:
        faults.refuse()
    assert ["here/routes.csv", "here/trunks.csv"] == sorted({f.file for f in caught.value.faults})


def test_f41_a_million_rows_of_rules_are_refused_at_the_row_that_is_too_many(
    tmp_path: Path,
) -> None:
    rows = "".join(f"r{number},,,{number + 1},,,reject:21,\n" for number in range(1_000_000))
    write(tmp_path, trunks=TRUNKS, routes=ROUTES + rows)
    began = time.monotonic()
    fault = next(f for f in refused(tmp_path) if "more than 100000 rows" in f.what)
    assert ("routes.csv", 100_001) == (Path(fault.file).name, fault.line)
    assert time.monotonic() - began < 60


RANGES = "prefix,mccmnc,line\n"
ACCOUNTS = "account,max_price,currency,daily_cap,cps,screen_fraud,screen_tps,screen_unsubscribe\n"


def test_ranges_and_accounts_are_in_force(tmp_path: Path) -> None:
    table = loaded(
        tmp_path,
        "b,,,1,,,,b c d\n",
        ranges=RANGES + "447788,234-15,mobile\n",
        accounts=ACCOUNTS + "acme,,,,,flag,,\n",
    ).table
    known = table.range_of("447788450450")
    assert ("23415", Line.MOBILE) == (known and known.mccmnc, known and known.line)
    assert table.range_of("447789450450") is None
    assert Screening(fraud=Policy(Act.FLAG)) == table.screening("acme")
    assert NO_SCREENING is table.screening("")
    assert NO_SCREENING is table.screening("other")


def test_an_account_without_a_row_takes_the_row_for_all(tmp_path: Path) -> None:
    rows = ",,,,,,flag,\nquiet,,,,,,,\n"
    table = loaded(tmp_path, "", accounts=ACCOUNTS + rows).table
    assert Screening(tps=Policy(Act.FLAG)) == table.screening("other")
    assert Screening(tps=Policy(Act.FLAG)) == table.screening("")
    assert () == table.screening("quiet").asked


def test_faults_of_ranges_and_accounts_come_with_all_others(tmp_path: Path) -> None:
    write(
        tmp_path,
        trunks="trunk,ring_s\na,x\n",
        ranges=RANGES + "447,x,\n",
        accounts=ACCOUNTS + "a,,,,,maybe,,\n",
    )
    expected = [("accounts.csv", 2, 6), ("ranges.csv", 2, 2), ("routes.csv", 0, 0)]
    assert [*expected, ("trunks.csv", 2, 2)] == places(refused(tmp_path))


def test_a_change_of_ranges_or_accounts_is_another_version(tmp_path: Path) -> None:
    versions = {
        loaded(tmp_path / str(number), "", **more).table.version
        for number, more in enumerate(
            ({}, {"ranges": RANGES}, {"ranges": RANGES + "44,23415,\n"}, {"accounts": ACCOUNTS})
        )
    }
    assert 4 == len(versions)


@pytest.mark.parametrize("name", ["ranges.csv", "accounts.csv"])
def test_the_examples_in_the_sample_load_when_their_signs_of_comment_go(
    tmp_path: Path, name: str
) -> None:
    lines = (SAMPLE / name).read_text("ascii").splitlines()
    header = next(at for at, line in enumerate(lines) if not line.startswith("#"))
    examples = [line.removeprefix("# ") for line in lines[header + 1 :]]
    assert examples
    stem = name.removesuffix(".csv")
    content = "\n".join((*lines[: header + 1], *examples))
    assert () == loaded(tmp_path, "b,,,1,,,,b c d\n", **{stem: content}).warnings


def test_a_csv_file_that_is_no_table_is_a_warning_with_the_nearest_name(tmp_path: Path) -> None:
    (warning,) = loaded(tmp_path, "b,,,1,,,,b c d\n", error="", notes="").warnings[:1]
    assert "did you mean 'errors.csv'?" in warning.what


def test_a_thousand_faults_are_told_and_the_rest_counted(tmp_path: Path) -> None:
    rows = "".join(f"r{number},x,,,,,,a\n" for number in range(LIMIT + 5))
    write(tmp_path, trunks=TRUNKS, routes=ROUTES + rows)
    faults = refused(tmp_path)
    assert LIMIT + 1 == len(faults)
    assert "and 5 more" in faults[-1].what


def test_the_shipped_errors_file_has_the_header_of_the_contract() -> None:
    lines = SHIPPED_ERRORS.read_text("ascii").splitlines()
    assert ERRORS.strip() == next(line for line in lines if not line.startswith("#"))


def damaged(dice: random.Random, data: bytes) -> bytes:
    """Damage a file the way editors, spreadsheets, disks and people do."""
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data) + 1)
        to = dice.randrange(at, len(data) + 1)
        bits = b'0 , ; " \n \r # ! | @ : > = \x00 \xff \xe9 \xd9\xa1 , , \n a 44 GB -1'.split(b" ")
        data = dice.choice(
            (
                data[:at] + data[at + 1 :],
                data[:at] + dice.choice(bits) + data[at:],
                data[:at] + dice.choice(bits) + data[at + 1 :],
                data[:at],
                data[:at] + data[min(to, at + 40) :],
                data[:at] + data[at:to][:200] + data[at:],
                data.replace(dice.choice(bits) or b",", dice.choice(bits), 1),
                data.replace(b"\n", b"\r\n"),
                b"\xef\xbb\xbf" + data,
                bytes([dice.randrange(256)]) + data,
            )
        )
    return data


def test_three_hundred_damaged_directories_give_a_table_or_faults_with_places(
    tmp_path: Path,
) -> None:
    dice = random.Random(7)
    whole = {path.stem: path.read_bytes() for path in (*SAMPLE.glob("*.csv"), SHIPPED_ERRORS)}
    whole["ranges"] += b"447788,234-15,mobile\n4420,23430,landline\n"
    whole["accounts"] += b",,,,,flag,,\nacme,,,,,reject:21,reject:21:closed,ignore\n"
    whole["networks"] = b"set,mccmnc,comment\nuk,234-15|234-10,\nuk,235,ported\n"
    whole["groups"] = b"group,trunks\nall,@gb world:2\ngb,vodafone o2:3\n"
    whole["calendars"] = b"calendar,date\nbank,2026-12-25\nbank,2026-12-26\n"
    whole["rates"] = b"trunk,price,currency,valid_from\nworld,0.01,EUR,2026-01-01\n"
    outcomes = {"good": 0, "refused": 0}
    for number in range(300):
        files = dict(whole)
        for name in dice.sample(sorted(files), dice.randint(1, 3)):
            files[name] = damaged(dice, files[name])
        directory = write(tmp_path / str(number), **files)
        try:
            table = load(directory, number).table
        except TableError as error:
            outcomes["refused"] += 1
            assert all(f.file.startswith(str(directory)) and f.what for f in error.faults)
            assert all((f.line > 0) == (f.column > 0) for f in error.faults)
            assert not any(f.warning for f in error.faults)
        else:
            outcomes["good"] += 1
            assert decide(table, CONTEXT, finding("23415"), dice.random, "id").table
    assert 30 < min(outcomes.values()), outcomes
