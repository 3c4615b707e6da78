"""The documents say what is there: every verb, variable, reason, fault, dependency and file."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

import click
import pytest

from agi import names, shipped
from agi.cli.main import dialdip
from agi.routing.reading import files
from agi.sandbox.faults import Trouble
from agi.settings import Config, Journal

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
OPERATING = (ROOT / "docs/operating.md").read_text()
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def verbs() -> list[str]:
    found = []
    for name, command in dialdip.commands.items():
        if isinstance(command, click.Group):
            shown = [verb for verb, one in command.commands.items() if not one.hidden]
            found += [f"{name} {verb}" for verb in shown]
        elif not command.hidden:
            found.append(name)
    return found


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_is_in_the_readme(verb: str) -> None:
    assert verb in README


@pytest.mark.parametrize("name", [*names.FIXED, names.COMMIT, names.HEALTH])
def test_every_channel_variable_is_in_the_readme(name: str) -> None:
    assert name in README


def test_every_setting_is_in_the_sample() -> None:
    sample = shipped.CONFIGURATION.read_text()
    for name, section in Config.model_fields.items():
        assert name in sample
        inner = section.annotation
        if isinstance(inner, type) and name in {
            "fastagi",
            "numbers",
            "tables",
            "cache",
            "journal",
            "log",
        }:
            for setting in inner.model_fields:
                if setting != "key":  # goes with keyed numbers, which are not there yet
                    assert f"{setting} = " in sample, setting


@pytest.mark.parametrize("reason", ["denied", "velocity", "shed", "no-trunk", "loop"])
def test_every_reason_of_a_rejected_call_says_what_to_do(reason: str) -> None:
    assert re.search(rf"^\| [0-9]+ `{reason}`", OPERATING, re.MULTILINE)


def test_every_setting_of_the_journal_is_explained() -> None:
    for setting, field in Journal.model_fields.items():
        assert f"`{setting} = {field.default}`" in OPERATING


def test_the_examples_behind_a_hash_in_the_sample_tables_are_good_rows(tmp_path: Path) -> None:
    found = []
    for path in (ROOT / "agi/routing/sample").iterdir():
        header, rows = "", []
        for line in path.read_text().splitlines():
            header = header or ("" if line.startswith("#") else line)
            example = (
                bool(header) and line.startswith("# ") and line.count(",") == header.count(",")
            )
            rows.append(line[2:] if example else line)
            found += [path.name] * example
        (tmp_path / path.name).write_text("\n".join(rows) + "\n")
    wanted = {"accounts.csv", "calendars.csv", "groups.csv", "networks.csv", "ranges.csv"}
    assert wanted == set(found)
    doubts = [fault.what for fault in files.load(tmp_path, 1, "Europe/London").warnings]
    assert all(re.match("no rule (and no policy )?uses the", what) for what in doubts), doubts


@pytest.mark.parametrize("fault", list(Trouble))
def test_every_fault_of_the_sandbox_is_on_its_page(fault: str) -> None:
    assert f"`{fault}" in (ROOT / "docs/sandbox.md").read_text()


def test_every_dependency_is_argued() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs/dependencies.md").read_text()
    wanted = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    for requirement in wanted:
        name = re.split(r"[^A-Za-z0-9_-]", requirement, maxsplit=1)[0]
        assert name in page, name


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[)#]", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_every_shipped_file_of_the_dialplan_is_named() -> None:
    for path in shipped.directory("dialplan").iterdir():
        pages = README + "".join(p.read_text() for p in (ROOT / "docs").glob("*.md"))
        assert path.name in pages, path.name


def test_the_tables_of_the_readme_are_good(tmp_path: Path) -> None:
    routes = re.search(r"```csv\n(rule,.*?)```", README, re.DOTALL)
    assert routes
    (tmp_path / "routes.csv").write_text(routes[1])
    (tmp_path / "trunks.csv").write_text("trunk\nvodafone\ntransit-a\ntransit-b\n")
    assert 3 == len(files.load(tmp_path, 1).table.rules)


def test_the_lock_holds_hashes_and_no_addresses() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert "--find-links" not in text
        for line in re.findall(r"^[a-z0-9].*$", text, re.MULTILINE):
            assert "==" in line, line
        assert text.count("--hash=sha256:") > text.count("==")
