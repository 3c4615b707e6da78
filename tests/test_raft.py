"""The life-raft on disk: whole or not at all, in step with what is in force, never in the way."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from agi import config, raft, tables
from agi.errors import UsageError
from agi.routing.raft_text import MARK
from agi.routing.reading import files
from tests.cli.test_cli import dialdip
from tests.service import ROUTES, Site

MOVED = ROUTES.replace("premium,,449", "premium,,44906")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path, extra="enabled = false").write()
    more = '[numbers]\ncountry = "GB"\n[tables]\nlife_raft = "asterisk/carrier_raft.conf"\n'
    made.path.write_text(made.path.read_text() + more)
    (tmp_path / "asterisk").mkdir()
    return made


def loaded(site: Site) -> config.Loaded:
    return config.load(site.path, {}, secrets=None)


def place(site: Site) -> Path:
    return site.directory / "asterisk" / "carrier_raft.conf"


def version(site: Site) -> str:
    """Return the version that the raft says it was made from."""
    return place(site).read_text().partition("\n")[0].removeprefix(MARK).partition(" ")[0]


def started(site: Site) -> tables.InForce:
    """Do what the start of a process does with the tables."""
    return tables.first_in_force(loaded(site), site.state)


# ---- one file ------------------------------------------------------------------------------


def test_a_raft_is_readable_by_all_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "raft.conf"
    raft.write(path, f"{MARK}one\n")
    raft.write(path, f"{MARK}two\n")
    assert f"{MARK}two\n" == path.read_text()
    assert 0o644 == stat.S_IMODE(path.stat().st_mode)
    assert [path] == list(tmp_path.iterdir())


def test_a_file_that_is_no_raft_is_left_as_it_is_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "extensions.conf"
    path.write_text("[globals]\n")
    with pytest.raises(UsageError, match="is no life-raft, and is left as it is"):
        raft.write(path, MARK)
    assert "[globals]\n" == path.read_text()
    raft.write(path, MARK, force=True)
    assert MARK == path.read_text()


@pytest.mark.parametrize("bad", ["missing/raft.conf", "file/raft.conf", "."])
def test_a_place_that_cannot_be_written_is_named_with_the_reason(tmp_path: Path, bad: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError) as refused:
        raft.write(tmp_path / bad, MARK)
    assert str(tmp_path / bad) in str(refused.value)


def test_who_reads_while_it_is_written_reads_a_whole_file(tmp_path: Path) -> None:
    """A process of its own writes two rafts in turn, and is killed in the middle of it."""
    path = tmp_path / "raft.conf"
    both = [f"{MARK}{letter}\n" + letter * 300_000 for letter in "ab"]
    raft.write(path, both[0])
    program = (
        "import sys; from pathlib import Path; from agi import raft; "
        "from agi.routing.raft_text import MARK\n"
        "texts = [f'{MARK}{c}\\n' + c * 300_000 for c in 'ab']\n"
        "for n in range(100_000): raft.write(Path(sys.argv[1]), texts[n % 2])"
    )
    writer = subprocess.Popen([sys.executable, "-c", program, str(path)])
    seen = set()
    try:
        for _ in range(20_000):
            text = path.read_text()
            assert text in both
            seen.add(text)
            if len(seen) == 2 and writer.poll() is None and text == both[1]:
                break
    finally:
        writer.kill()
        writer.wait()
    assert path.read_text() in both
    assert 2 == len(seen)


def test_f37_a_full_disk_leaves_the_old_raft_and_nothing_beside_it(tmp_path: Path) -> None:
    """A process may write no more than 4,096 bytes to a file, as if the disk were full."""
    path = tmp_path / "raft.conf"
    raft.write(path, f"{MARK}old\n")
    program = (
        "import resource, signal, sys; from pathlib import Path; from agi import raft\n"
        "from agi.errors import UsageError; from agi.routing.raft_text import MARK\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: raft.write(Path(sys.argv[1]), MARK + 'x' * 100_000)\n"
        "except UsageError as refused: print(refused)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], check=True, capture_output=True, text=True
    )
    assert f"{path}: cannot be written: File too large\n" == done.stdout
    assert f"{MARK}old\n" == path.read_text()
    assert [path] == list(tmp_path.iterdir())


# ---- in step -------------------------------------------------------------------------------


def test_the_first_start_writes_the_raft_of_the_version_that_it_puts_in_force(site: Site) -> None:
    assert started(site).table.version == version(site)


def test_a_start_leaves_a_raft_that_is_in_step_and_replaces_one_that_is_not(site: Site) -> None:
    started(site)
    before = place(site).stat().st_ino
    started(site)
    assert before == place(site).stat().st_ino
    text = site.path.read_text()
    site.path.write_text(text.replace('country = "GB"', 'country = "IE"'))
    started(site)
    assert before != place(site).stat().st_ino
    place(site).unlink()
    started(site)
    assert version(site)


def test_a_start_without_a_place_for_it_says_so_and_serves(site: Site) -> None:
    (site.directory / "asterisk").rmdir()
    found = started(site)
    assert found.table.version.startswith("000001-")
    (alarm,) = found.alarms
    assert "no life-raft was written" in alarm
    assert "carrier_raft.conf" in alarm


def test_a_start_that_cannot_even_look_says_so_and_serves(site: Site) -> None:
    (site.directory / "asterisk").rmdir()
    (site.directory / "asterisk").write_text("a file")
    (alarm,) = started(site).alarms
    assert "cannot be read" in alarm


def test_a_reload_that_puts_the_working_copy_in_force_writes_its_raft(site: Site) -> None:
    started(site)
    (site.tables / "routes.csv").write_text(MOVED)
    (site.state / "run").mkdir()
    taken = tables.taken(loaded(site), site.state, os.getuid())
    assert [] == [f for f in taken["faults"] if "life-raft" in str(f)]  # type: ignore[attr-defined]
    assert version(site).startswith("000002-")
    assert "_44906!" in place(site).read_text()


def test_a_reload_whose_raft_cannot_be_written_is_done_and_warns(site: Site) -> None:
    started(site)
    (site.tables / "routes.csv").write_text(MOVED)
    place(site).write_text("somebody else's")
    warnings = tables.activate_copy(loaded(site), site.state, tables.myself(), "test")
    (warning,) = [one for one in warnings if "life-raft" in one.what]
    assert warning.warning
    assert tables.in_force(site.state).table.version.startswith("000002-")


def test_activate_and_rollback_write_the_raft_and_say_why_not(site: Site) -> None:
    verb = ("--config", str(site.path))
    first = started(site).table.version
    (site.tables / "routes.csv").write_text(MOVED)
    done = dialdip(*verb, "table", "activate", "--yes", "--why", "test")
    assert (0, "") == (done.returncode, done.stderr)
    assert version(site).startswith("000002-")
    assert 0 == dialdip(*verb, "rollback", "--yes", "--why", "test").returncode
    assert first == version(site)
    place(site).write_text("somebody else's")
    refused = dialdip(*verb, "table", "activate", "--yes", "--why", "test")
    assert 0 == refused.returncode
    assert "no life-raft was written" in refused.stderr
    assert "somebody else's" == place(site).read_text()


def test_export_writes_the_raft_of_the_active_version_to_a_file(site: Site) -> None:
    verb = ("--config", str(site.path))
    name = started(site).table.version
    wanted = site.directory / "elsewhere.conf"
    done = dialdip(*verb, "export", "--dialplan", str(wanted))
    assert (0, f"wrote {wanted}\n") == (done.returncode, done.stdout)
    assert place(site).read_text() == wanted.read_text()
    assert wanted.read_text().startswith(f"{MARK}{name} ")


def test_export_still_writes_tables_and_both_at_once(site: Site) -> None:
    verb = ("--config", str(site.path))
    started(site)
    both = ("--dialplan", str(site.directory / "raft.conf"), str(site.directory / "out"))
    assert 0 == dialdip(*verb, "table", "export", *both).returncode
    assert ROUTES == (site.directory / "out" / "routes.csv").read_text()
    assert (site.directory / "raft.conf").exists()
    nothing = dialdip(*verb, "export")
    assert (2, 1) == (nothing.returncode, nothing.stderr.count("--dialplan FILE"))


def test_export_over_another_file_is_refused_without_force(site: Site) -> None:
    verb = ("--config", str(site.path))
    started(site)
    other = site.directory / "extensions.conf"
    other.write_text("[default]\n")
    refused = dialdip(*verb, "export", "--dialplan", str(other))
    assert 2 == refused.returncode
    assert "is no life-raft" in refused.stderr
    assert 0 == dialdip(*verb, "export", "--force", "--dialplan", str(other)).returncode


def test_a_site_that_wants_no_raft_gets_none(tmp_path: Path) -> None:
    plain = Site(tmp_path, extra="enabled = false").write()
    assert () == started(plain).alarms
    copy = files.load(plain.tables, 0, "UTC")
    assert "" == raft.keep(loaded(plain), copy.compiled)
