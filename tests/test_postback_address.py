"""The address that a vendor is told to post to: ours, from the configuration, and nobody else's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agi import config
from agi.accounts import providers
from agi.errors import ConfigurationError
from agi.model import Msisdn

SITE = """
[hooks]
listen = "127.0.0.1:0"
public_url = "{url}"
[[providers]]
name = "soap"
kind = "datasoap"
mode = "async"
password = "secret-token"
"""


def write(directory: Path, url: str) -> Path:
    path = directory / "dialdip.toml"
    path.touch(mode=0o600)
    path.write_text(SITE.format(url=url))
    return path


@pytest.mark.parametrize(
    "url",
    [
        "https://trusted.example@127.0.0.1/dialdip",
        "https://pbx.example/dialdip?next=http://169.254.169.254/",
        "https://pbx.example/dialdip#@127.0.0.1",
        "file:///etc/passwd",
        "ftp://pbx.example/dialdip",
        "//pbx.example/dialdip",
        "https:///dialdip",
        "https://pbx.example:0/dialdip",
        "https://pbx.example/dial dip",
    ],
)
def test_a13_an_address_that_is_read_in_two_ways_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        config.load(write(tmp_path, url), {})
    assert ["hooks.public_url"] == [f.what.partition(":")[0] for f in caught.value.faults]


def test_a13_the_address_sent_is_the_configured_one_whatever_is_asked(tmp_path: Path) -> None:
    loaded = config.load(write(tmp_path, "https://pbx.example.net/dialdip"), {})
    account = loaded.config.providers[0]
    secret = loaded.passwords["soap"].get_secret_value()
    postback = f"{loaded.config.hooks.public_url}/hooks/datasoap/{'s' * 43}"
    ((provider, _),) = providers(account, secret, postback)
    asked = json.loads(provider.request([Msisdn("447788450450")]).body)
    assert f"https://pbx.example.net/dialdip/hooks/datasoap/{'s' * 43}" == asked["PostbackUrl"]
