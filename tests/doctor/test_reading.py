"""Asterisk's .conf grammar: what holds after comments, templates, includes and additions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.doctor import reading
from agi.doctor.findings import Severity
from agi.doctor.reading import Conf, read


def conf(directory: Path, text: str, **others: str) -> Conf:
    (directory / "a.conf").write_text(text)
    for name, content in others.items():
        (directory / f"{name}.conf").write_text(content)
    return read(directory, "a.conf")


def pairs(conf: Conf) -> list[tuple[str, str, str]]:
    return [(s.name, e.name, e.value) for s in conf.sections for e in s.entries]


def test_a_file_that_is_not_there_is_an_empty_configuration(tmp_path: Path) -> None:
    found = read(tmp_path, "a.conf")
    assert (False, [], []) == (found.exists, found.sections, found.findings)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("b=c", "c"),
        ("b => c", "c"),
        ("  b  =  c d  ", "c d"),
        ("b = c ; d", "c"),
        (r"b = c\;d ; e", "c;d"),
        ("b = c;--d--;e", "ce"),
        ("b = c ;--- d", "c"),
        ("b = x;--\nmany\nlines = here\n--;y", "x"),
        ("b = 1 = 2", "1 = 2"),
        ("b = c\nb += d\nb +=e", "c de"),
        ("b += d", "d"),
        ("b = ", ""),
    ],
)
def test_a_value_is_what_asterisk_takes_it_for(tmp_path: Path, line: str, value: str) -> None:
    assert value == conf(tmp_path, f"[s]\n{line}\n").sections[0].get("B")


def test_every_entry_knows_its_file_and_line(tmp_path: Path) -> None:
    found = conf(tmp_path, "[s]\n;--\nx\n--;\n#include b.conf\nc = 3\n", b="\n\nb = 2\n")
    entries = found.sections[0].entries
    assert [("b.conf", 3), ("a.conf", 6)] == [(Path(e.file).name, e.line) for e in entries]


def test_a_template_gives_its_entries_first_and_is_no_section_itself(tmp_path: Path) -> None:
    text = "[t](!)\na=1\nb=1\n[s](t)\nb=2\n[u](!,t)\nc=1\n[v](u)\n"
    found = conf(tmp_path, text)
    assert ["s", "v"] == [section.name for section in found.real()]
    s, v = found.real()
    assert ("1", "2") == (s.get("a"), s.get("b"))
    assert ("1", "1") == (v.get("a"), v.get("c"))


def test_a_plus_goes_on_with_an_earlier_section(tmp_path: Path) -> None:
    text = "[s]\ntype=aor\n[s]\ntype=endpoint\n[s](+)\na=1\n[s](+type=endpoint)\nb=2\n[n](+)\n"
    found = conf(tmp_path, text)
    assert [("aor", "1", ""), ("endpoint", "", "2"), ("", "", "")] == [
        (s.get("type"), s.get("a"), s.get("b")) for s in found.sections
    ]


def test_an_include_by_the_usual_path_is_read_from_the_directory_that_is_checked(
    tmp_path: Path,
) -> None:
    text = '[s]\n#include "/etc/asterisk/b.conf"\n#tryinclude </etc/asterisk/none.conf>\n'
    assert [("s", "b", "2")] == pairs(conf(tmp_path, text, b="b=2"))


def test_an_include_of_many_reads_them_in_order_and_none_is_no_fault(tmp_path: Path) -> None:
    text = "[s]\n#include x*.conf\n#include none*.conf\n"
    found = conf(tmp_path, text, x2="b=2", x1="a=1")
    assert [("s", "a", "1"), ("s", "b", "2")] == pairs(found)
    assert [] == found.findings


def test_an_include_that_is_missing_is_named_for_it_loses_the_whole_file(tmp_path: Path) -> None:
    found = conf(tmp_path, "[s]\na=1\n#include gone.conf\n").findings
    assert [(3, Severity.ERROR)] == [(f.line, f.severity) for f in found]
    assert "refuses the whole" in found[0].what


def test_exec_is_never_run(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    found = conf(tmp_path, f"[s]\n#exec /usr/bin/touch {witness}\n")
    assert [Severity.NOTE] == [f.severity for f in found.findings]
    assert not witness.exists()


def test_a_file_that_includes_itself_ends_at_asterisks_own_depth(tmp_path: Path) -> None:
    found = conf(tmp_path, "[s]\na=1\n#include a.conf\n")
    assert reading.MAX_DEPTH == len(found.files)
    assert [Severity.ERROR] == [f.severity for f in found.findings]


def test_a_tree_of_includes_ends_at_the_limit_of_files(tmp_path: Path) -> None:
    found = conf(tmp_path, "[s]\n" + "#include a.conf\n" * 9)
    assert reading.MAX_FILES == len(found.files)


def test_a_pipe_or_a_directory_does_not_stop_the_reading(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.conf")
    (tmp_path / "d.conf").mkdir()
    found = conf(tmp_path, "[s]\n#include pipe.conf\n#include d.conf\na=1\n")
    assert [("s", "a", "1")] == pairs(found)
    assert 2 == sum("cannot be read" in f.what for f in found.findings)


def test_lines_that_are_nothing_are_left_out(tmp_path: Path) -> None:
    found = conf(tmp_path, "before=1\n[s\n#pragma x\n[s]\nno sign\na=1\n")
    assert [("s", "a", "1")] == pairs(found)
    assert [2] == [f.line for f in found.findings]


def test_a_value_is_not_in_the_representation_for_it_may_be_a_secret(tmp_path: Path) -> None:
    assert "hush" not in repr(conf(tmp_path, "[s]\nsecret=hush\n").sections)


@given(st.text(alphabet="[]()!+=>;-\\#include \nabx.", max_size=200))
def test_no_text_makes_it_fail(text: str) -> None:
    kept = list(reading._code(text))  # the pure part, without a file for each text
    assert text.count("\n") + 1 == len(kept)


def test_a_section_that_an_include_begins_ends_with_it(tmp_path: Path) -> None:
    found = conf(tmp_path, "[s]\n#include b.conf\na=1\n", b="[inner]\nb=2\n")
    assert [("s", "a", "1"), ("inner", "b", "2")] == pairs(found)
