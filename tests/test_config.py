"""The configuration file: what is accepted, and every fault at its line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agi import config, shipped
from agi.errors import ConfigurationError, UsageError

GOOD = """
[[providers]]
name = "npl"
kind = "comcetera"
username = "bob"
password = "s3cret"
"""


def write(directory: Path, text: str, mode: int = 0o600) -> Path:
    path = directory / "dialdip.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def faults(directory: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    path = write(directory, text)
    with pytest.raises(ConfigurationError) as caught:
        config.load(path, environ or {})
    return [str(fault).removeprefix(f"{path}:") for fault in caught.value.faults]


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    loaded = config.load(write(tmp_path, ""), {})
    assert "127.0.0.1:4573" == loaded.config.fastagi.listen
    assert 800 == loaded.config.fastagi.deadline_ms
    assert ("112", "999") == loaded.config.numbers.emergency
    assert 604_800 == loaded.config.cache.fresh_s.network
    assert tmp_path / "tables" == loaded.tables
    assert () == loaded.warnings


def test_the_sample_is_good_but_for_its_credential(tmp_path: Path) -> None:
    path = write(tmp_path, shipped.CONFIGURATION.read_text())
    with pytest.raises(ConfigurationError, match="CREDENTIALS_DIRECTORY"):
        config.load(path, {})
    (tmp_path / "npl").write_text("s3cret\n")
    loaded = config.load(path, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert "s3cret" == loaded.passwords["npl"].get_secret_value()


def test_the_sample_with_every_default_switched_on_is_good(tmp_path: Path) -> None:
    """What stands behind a # in the sample is a default: uncommented, it changes nothing."""
    lines = []
    for line in shipped.CONFIGURATION.read_text().splitlines():
        setting = line.startswith("# ") and " = " in line.split("#")[1]
        lines.append(line[2:] if setting else line)
    text = "\n".join(lines).replace("/var/lib/dialdip", str(tmp_path))
    (tmp_path / "npl").write_text("s3cret")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    full = config.load(write(tmp_path, text), environ).config
    plain = config.load(write(tmp_path, shipped.CONFIGURATION.read_text()), environ).config
    assert plain.fastagi == full.fastagi
    assert plain.cache == full.cache
    assert plain.numbers == full.numbers
    assert plain.log == full.log
    assert plain.hooks == full.hooks
    one, other = plain.providers[0], full.providers[0]
    assert one.endpoint == other.endpoint
    assert one.model_copy(update={"url": None, "batch_size": None}) == other.model_copy(
        update={"url": None, "batch_size": None}
    )


def test_the_examples_of_the_sample_are_good_too(tmp_path: Path) -> None:
    """What stands behind two # is an example: uncommented, the whole is a configuration."""
    text = (
        "\n".join(
            line.removeprefix("## ") for line in shipped.CONFIGURATION.read_text().splitlines()
        )
        .replace('"2.4"', '"2.5"')
        .replace("economy = true", 'economy = true\napi_version = "2.5"')
    )
    for name in ("npl", "lanck", "cache"):
        (tmp_path / name).write_text("s3cret s3cret s3cret")
    loaded = config.load(write(tmp_path, text), {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert ["npl", "lanck", "dump"] == [one.name for one in loaded.config.providers]
    assert loaded.config.hooks.listen
    assert loaded.cache_key is not None


def test_every_fault_is_reported_at_its_line_at_once(tmp_path: Path) -> None:
    text = """state_dir = "x"
[fastagi]
listen = "localhost:4573"
deadline_ms = "800"
allow = ["10.0.0.1/8"]

[numbers]
country = "gb"
emergency = ["1-1-2"]

[[providers]]
name = "a b"
kind = "comcetera"
username = "bob"
price = 0.006

[[providers]]
name = "npl"
kind = "sms"
password = { vault = "x" }
url = "https://user:pass@host/npl"
"""
    found = faults(tmp_path, text)
    places = [int(fault.split(":")[0]) for fault in found]
    assert [1, 3, 4, 5, 8, 9, 12, 15, 19, 20, 21] == places
    assert "unknown key" in found[0]
    assert "an address, not a name" in found[1]
    assert "alpha-2" in found[4]
    assert "in quotes" in found[7]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = ", "1:5: not TOML"),
        ("[fastagi\n", "1:9: not TOML"),
        ('a = "\n', "1:6: not TOML"),
        (GOOD + GOOD, "9:1: name: another provider has this name"),
        (GOOD.replace("comcetera", "experian"), "4:1: kind: not yet: Experian answers too slowly"),
        (GOOD.replace("comcetera", "sms"), "4:1: providers.0.kind:"),
        (GOOD.replace('username = "bob"', ""), "2:3: username: is required"),
        (GOOD.replace("comcetera", "lanck").replace("bob", ""), "5:1: username: is required"),
        (GOOD.replace("comcetera", "hlrlookup").replace("bob", ""), "5:1: username: is required"),
        (GOOD.replace("comcetera", "file"), "2:3: path: is required: the file of the dump"),
        (GOOD + 'types = ["hlr"]', "7:1: types: kind comcetera knows no types"),
        (
            GOOD.replace("comcetera", "lanck") + 'types = ["tps"]',
            "7:1: types: kind lanck knows hlr, fraud",
        ),
        (
            GOOD.replace("comcetera", "datasoap") + 'types = ["hlr", "fraud"]',
            "7:1: types: kind datasoap knows hlr, landline, tps, unsubscribe",
        ),
        (GOOD + "economy = true", '7:1: economy: needs kind = "comcetera" and api_version = "2.5"'),
        (
            GOOD.replace("comcetera", "lanck") + 'api_version = "2.5"\neconomy = true',
            '8:1: economy: needs kind = "comcetera"',
        ),
        (GOOD + 'api_version = "2.2"', "7:1: providers.0.api_version:"),
        (GOOD + 'method = "PUT"', "7:1: providers.0.method:"),
        (GOOD + 'mode = "later"', "7:1: providers.0.mode:"),
        (GOOD + 'mode = "async"', '7:1: mode: only kind = "datasoap" posts back'),
        (
            GOOD.replace("comcetera", "datasoap") + 'mode = "async"',
            '7:1: mode: "async" needs [hooks] listen and public_url',
        ),
        ('[cache]\nkey = "fifteen bytes !"', "2:1: key: give a secret of at least 16 bytes"),
        (GOOD + "batch_size = 0", "7:1: providers.0.batch_size:"),
        (GOOD + "batch_size = 1001", "7:1: providers.0.batch_size:"),
        (GOOD + "connections = 0", "7:1: providers.0.connections:"),
        (GOOD + "requests_per_second = -1", "7:1: providers.0.requests_per_second:"),
        (GOOD + 'allow_private = "yes"', "7:1: providers.0.allow_private:"),
        (GOOD + "daily_budget = 50.0", "7:1: providers.0.daily_budget: give an amount in quotes"),
        (GOOD + 'daily_budget = "50,00"', "7:1: providers.0.daily_budget: give an amount"),
        (GOOD + 'currency = "euro"', "7:1: providers.0.currency:"),
        (GOOD + 'countries = ["gb"]', "7:1: providers.0.countries.0: give an ISO 3166"),
        ('[hooks]\nlisten = "127.0.0.1:0"', "2:1: hooks.listen: needs public_url beside it"),
        ('[hooks]\npublic_url = "ftp://x"', "2:1: hooks.public_url: give a URL"),
        ('[cache]\nnumbers = "keyed"', '2:1: cache.numbers: "keyed" needs key beside it'),
        ('[cache]\nstore = "redis://127.0.0.1:6379/0"', "2:1: cache.store: a cache that hosts"),
        ('[cache]\nstore = "redis://h/0"\nkey = { env = "KEY" }', "3:1: key: $KEY is not set"),
        ('[cache]\nstore = "redis://h/0"\nkey = { x = "KEY" }', "3:1: cache.key: give {"),
        ("[cache]\nfresh_s = { tps = 2_419_201 }", "2:1: cache.fresh_s.tps:"),
        ('[log]\nnumbers = "keyed"', "2:1: log.numbers: not yet"),
        ('[numbers]\ncountry = "ZZ"', "2:1: numbers.country: no numbering plan"),
        ('[tables]\ntimezone = "Mars/Phobos"', "2:1: tables.timezone: give a zone"),
        ('[cache]\nstore = "memcached"', '2:1: cache.store: give "none"'),
        ("[cache]\nfresh_s = { network = -1 }", "2:1: cache.fresh_s.network:"),
        ('[fastagi]\nlisten = "127.0.0.1:70000"', "2:1: fastagi.listen: give"),
    ],
)
def test_a_fault_says_where_and_what(tmp_path: Path, text: str, expected: str) -> None:
    found = faults(tmp_path, text)
    assert found[0].startswith(expected), found


def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        config.load(tmp_path / "none.toml", {})
    (tmp_path / "x.toml").write_bytes(b'a = "\xff"')
    with pytest.raises(ConfigurationError, match="not UTF-8 at byte 5"):
        config.load(tmp_path / "x.toml", {})


def test_a_secret_comes_from_where_the_file_says(tmp_path: Path) -> None:
    def password(source: str, environ: dict[str, str]) -> str:
        text = GOOD.replace('"s3cret"', source)
        loaded = config.load(write(tmp_path, text), environ)
        assert "hidden" not in repr(loaded)
        return loaded.passwords["npl"].get_secret_value()

    (tmp_path / "npl.password").write_text("hidden from file\n")
    assert "hidden by env" == password('{ env = "NPL" }', {"NPL": "hidden by env"})
    assert "hidden from file" == password('{ file = "npl.password" }', {})
    assert "hidden from file" == password(
        '{ credential = "npl.password" }', {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    )
    assert "hidden literally" == password('"hidden literally"', {})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{ env = "NPL" }', "6:1: password: $NPL is not set"),
        ('{ file = "none" }', "none: cannot be read (No such file or directory)"),
        ('{ credential = "npl" }', "no $CREDENTIALS_DIRECTORY"),
        ('{ env = "A", file = "b" }', "give {"),
        ("17", "give {"),
    ],
)
def test_a_secret_that_is_not_there_is_a_fault(tmp_path: Path, source: str, expected: str) -> None:
    assert expected in faults(tmp_path, GOOD.replace('"s3cret"', source))[0]


def test_a_literal_secret_in_a_readable_file_is_warned_of(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD, 0o644)
    assert ["chmod 600" in fault.what for fault in config.load(path, {}).warnings] == [True]
    path.chmod(0o600)
    assert () == config.load(path, {}).warnings


def test_an_emergency_number_of_the_country_that_is_not_listed_is_warned_of(
    tmp_path: Path,
) -> None:
    """911 in the US (NANP); the default list is 112 and 999."""
    us = config.load(write(tmp_path, '[numbers]\ncountry = "US"\n'), {}).warnings
    assert ["911" in fault.what for fault in us] == [True]
    listed = '[numbers]\ncountry = "US"\nemergency = ["112", "911"]\n'
    assert () == config.load(write(tmp_path, listed), {}).warnings


def test_a_journal_beside_a_keyed_cache_is_warned_of(tmp_path: Path) -> None:
    """The cache keys numbers; the journal needs them, to explain past calls by."""
    keyed = '[cache]\nnumbers = "keyed"\nkey = "the key of this test"\n'
    assert [
        "journal" in fault.what for fault in config.load(write(tmp_path, keyed, 0o600), {}).warnings
    ] == [True]
    none = f"{keyed}[journal]\nretention_days = 0\n"
    assert () == config.load(write(tmp_path, none, 0o600), {}).warnings


MANY = """
[hooks]
listen = "127.0.0.1:0"
public_url = "https://pbx.example.net/dialdip"
[cache]
store = "redis://127.0.0.1:6379/0"
key = "0123456789abcdef"
[[providers]]
name = "npl"
kind = "comcetera"
username = "bob"
password = "s3cret"
api_version = "3"
countries = ["GB"]
price = "0.006"
daily_budget = "50.00"
[[providers]]
name = "lanck"
kind = "lanck"
username = "left"
password = "right"
types = ["hlr", "fraud"]
method = "GET"
[[providers]]
name = "soap"
kind = "datasoap"
password = "token"
types = ["tps", "unsubscribe"]
mode = "async"
[[providers]]
name = "mnp"
kind = "hlrlookup"
username = "key"
password = "secret"
[[providers]]
name = "dump"
kind = "file"
path = "dump.csv"
"""


def test_every_kind_has_its_own_address_and_what_it_is_asked(tmp_path: Path) -> None:
    """The vendors' pages name the addresses; the first type is what is asked without ``types``."""
    loaded = config.load(write(tmp_path, MANY), {})
    assert () == loaded.warnings
    found = [(one.endpoint, one.asked) for one in loaded.config.providers]
    assert [
        ("https://api.numberportabilitylookup.com/npl", ()),
        ("https://api.boomware.com/v1", ("hlr", "fraud")),
        ("https://api.datasoap.co.uk", ("tps", "unsubscribe")),
        ("https://api.hlrlookup.com/apiv2", ("mnp",)),
        ("", ()),
    ] == found
    plain = config.load(write(tmp_path, GOOD), {}).config.providers[0]
    assert "https://secure.comcetera.com/npl" == plain.endpoint
    own = GOOD + 'url = "http://127.0.0.1:8025/npl"\napi_version = "3"\n'
    assert (
        "http://127.0.0.1:8025/npl"
        == config.load(write(tmp_path, own), {}).config.providers[0].endpoint
    )


def test_an_account_that_is_switched_off_may_be_incomplete(tmp_path: Path) -> None:
    for kind in ("comcetera", "lanck", "hlrlookup", "file"):
        text = f'[[providers]]\nname = "x"\nkind = "{kind}"\nenabled = false\n'
        assert {} == config.load(write(tmp_path, text), {}).passwords


def test_what_answers_calls_is_given_no_secret_at_all(tmp_path: Path) -> None:
    """With ``secrets=None``: neither what stands in the file, nor what the file points to."""
    text = MANY.replace('"s3cret"', '{ file = "npl" }') + (
        '[[asterisk]]\nname = "a"\nusername = "u"\npassword = "ami-secret"\n'
    )
    text = text.replace("redis://", "redis://dialdip:in-the-url@")
    (tmp_path / "npl").write_text("from-a-file")
    path = write(tmp_path, text)
    bare, full = config.load(path, {}, secrets=None), config.load(path, {})
    assert "from-a-file" == full.passwords["npl"].get_secret_value()
    assert {} == bare.passwords
    assert bare.cache_key is None
    assert bare.config.cache.key is None
    assert {None} == {one.password for one in bare.config.providers}
    assert () == bare.config.asterisk
    assert "redis://...@127.0.0.1:6379/0" == bare.config.cache.store
    held = bare.model_dump_json() + repr(bare) + str(vars(bare.config))
    for secret in ("right", "token", "0123456789abcdef", "ami-secret", "in-the-url", "from-a-f"):
        assert secret not in held
    # But what has to be there is asked for all the same.
    missing = write(tmp_path, MANY.replace('key = "0123456789abcdef"', ""))
    with pytest.raises(ConfigurationError, match="needs key"):
        config.load(missing, {}, secrets=None)


PBX = '[[asterisk]]\nname = "a"\nusername = "u"\npassword = { file = "ami" }\n'


def test_who_reads_asterisk_holds_its_passwords_and_no_provider_s(tmp_path: Path) -> None:
    (tmp_path / "ami").write_text("ami-secret")
    noc = config.load(write(tmp_path, MANY + PBX), {}, holder="noc")
    assert {"a": "ami-secret"} == {
        name: secret.get_secret_value() for name, secret in noc.manager_passwords.items()
    }
    assert {} == noc.passwords
    assert noc.cache_key is None
    held = noc.model_dump_json() + str(vars(noc.config))
    for secret in ("right", "token", "s3cret", "0123456789abcdef"):
        assert secret not in held


def test_who_asks_providers_holds_no_password_of_a_pbx(tmp_path: Path) -> None:
    dipper = config.load(write(tmp_path, MANY + PBX), {})  # no file, and nobody misses it
    assert {} == dipper.manager_passwords
    assert () == dipper.config.asterisk
    with pytest.raises(ConfigurationError, match=r"password: .*ami: cannot be read"):
        config.load(write(tmp_path, MANY + PBX), {}, holder="noc")
    beside = config.load(write(tmp_path, MANY + PBX), {}, secrets=False)
    assert any("ami: cannot be read" in fault.what for fault in beside.warnings)


def test_two_pbxs_of_one_name_are_a_fault(tmp_path: Path) -> None:
    (tmp_path / "ami").write_text("ami-secret")
    with pytest.raises(ConfigurationError, match="6:1: name: another asterisk has this name"):
        config.load(write(tmp_path, PBX + PBX), {}, holder="noc")


@pytest.mark.parametrize(
    ("store", "shown"),
    [
        ("none", "none"),
        ("sqlite:a@b.sqlite", "sqlite:a@b.sqlite"),
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://u:p@ss@h:6379/0", "redis://...@h:6379/0"),
        ("rediss://:p@h/1", "rediss://...@h/1"),
    ],
)
def test_a_store_is_shown_without_its_password(store: str, shown: str) -> None:
    assert shown == config.shown_store(store)


def test_a_public_port_is_warned_of(tmp_path: Path) -> None:
    text = '[fastagi]\nlisten = "0.0.0.0:1"\n'
    warnings = [fault.what for fault in config.load(write(tmp_path, text), {}).warnings]
    assert 1 == len(warnings)
    assert "loopback or private" in warnings[0]
    two = GOOD + GOOD.replace('"npl"', '"other"')
    assert () == config.load(write(tmp_path, two), {}).warnings


def test_the_three_places_are_tried_in_order(tmp_path: Path) -> None:
    assert Path("a.toml") == config.find("a.toml", {"DIALDIP_CONFIG": "b.toml"})
    assert Path("b.toml") == config.find(None, {"DIALDIP_CONFIG": "b.toml"})
    if config.SYSTEM_PATH.exists():
        assert config.SYSTEM_PATH == config.find(None, {})
    else:
        with pytest.raises(UsageError) as caught:
            config.find(None, {})
        for place in ("--config", "$DIALDIP_CONFIG", "/etc/dialdip/dialdip.toml"):
            assert place in str(caught.value)
    assert tmp_path


def test_the_state_directory_is_found_in_order(tmp_path: Path) -> None:
    plain = config.load(write(tmp_path, ""), {})
    systemd = {"STATE_DIRECTORY": "/var/lib/one:/var/lib/two", "XDG_STATE_HOME": "/x"}
    assert Path("/var/lib/one") == plain.state(systemd, root=True)
    assert Path("/var/lib/dialdip") == plain.state({"XDG_STATE_HOME": "/x"}, root=True)
    assert Path("/x/dialdip") == plain.state({"XDG_STATE_HOME": "/x"}, root=False)
    assert Path.home() / ".local/state/dialdip" == plain.state({}, root=False)
    given = config.load(write(tmp_path, 'state_directory = "state"'), {})
    assert tmp_path / "state" == given.state(systemd, root=True)


def test_no_secret_is_shown_by_any_form_of_the_configuration(tmp_path: Path) -> None:
    loaded = config.load(write(tmp_path, GOOD), dict(os.environ))
    for text in (repr(loaded), str(loaded.config), loaded.config.model_dump_json()):
        assert "s3cret" not in text
