"""The whole of it: a real Asterisk calls, the service decides, a real Prometheus scrapes both.

Every query of every dashboard returns data, and the counters are what the calls were.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agi.fastagi.client import ask
from tests.asterisk.ami import Ami, stage
from tests.asterisk.pbx import Pbx
from tests.asterisk.tables_stage import ONLY_22
from tests.grafana.prometheus import Prometheus, running
from tests.grafana.queries import Query, queries, values
from tests.service import PROGRAM, Running, Site, sandbox, service

WAVES = 10
"""One wave of calls a second, each of one call of every kind."""

ROW = 5
"""So many failures in a row take a trunk down, see ``[health] down_row``: it is not tried then."""

TRUNKS = """trunk,tech,endpoint
good,Local,sink
busy,Local,sink
full,Local,sink-full
spare,Local,sink
"""
ROUTES = """rule,mccmnc,prefix,country,action,trunks
answered,23415,4477,,,good > spare
engaged,23415,4478,,,busy > spare
full,23415,4479,,,full > good
france,20801,33,,,good
germany,,49,,,good
default,,,,,spare
"""
POLICY = "prefix,action\n4490,deny\n"
ACCOUNTS = """countries = ["GB"]
price = "0.006"
daily_budget = "50.00"
probe = { number = "447788450450", mccmnc = "23415", every_s = 10 }
[[providers]]
name = "dead"
kind = "comcetera"
url = "http://127.0.0.1:9/npl"
username = "demo"
password = "demo"
countries = ["FR"]
"""
ASTERISK = """[[asterisk]]
name = "pbx1"
port = %d
username = "dialdip"
password = "shipped"
"""


@dataclass(frozen=True)
class Scraped:
    """A Prometheus after the calls, the site, and the moment just after the last call."""

    server: Prometheus
    site: Site
    at: float

    def then(self, expression: str) -> list[float]:
        """Return what a query gave at that moment."""
        found = self.server.api("query", query=expression, time=f"{self.at:.3f}")
        return values(found["result"])

    def now(self, expression: str) -> list[float]:
        """Return what a query gives when all is counted."""
        return values(self.server.query(expression))


async def wave(ami: Ami, agi: str, number: int) -> None:
    """Place one call of each kind; the answered ones talk for a second."""
    tail = f"{number:06}"
    for head, talk in (("447784", "__TALK=1"), ("447884", ""), ("447984", ""), ("4915112", "")):
        await ami.originate(f"{head}{tail}", variables=[talk] if talk else [])
    for query in (f"447784{tail}", f"336128{tail[1:]}", f"449084{tail}", "h"):
        uniqueid = f"{int(time.time())}.{number}"
        await asyncio.to_thread(ask, agi, f"route?n={query}", uniqueid=uniqueid)


async def traffic(pbx: Pbx, running_service: Running) -> None:
    """Call once a second, and wait until Asterisk has no call left."""
    async with stage(pbx, CARRIER_AGI=running_service.agi, CARRIER_GUARD="1.0") as ami:
        for number in range(WAVES):
            begun = time.monotonic()
            await wave(ami, running_service.agi, number)
            await asyncio.sleep(max(0.0, begun + 1 - time.monotonic()))  # the pace of the calls
        await ami.user("SiteHangup", count=4 * WAVES)


@pytest.fixture(scope="module")
def scraped(pbx: Pbx, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    directory = tmp_path_factory.mktemp("scraped")
    with sandbox(directory, "--others", "23415") as provider:
        files = {"trunks.csv": TRUNKS, "routes.csv": ROUTES, "policy.csv": POLICY}
        extra = ACCOUNTS + ASTERISK % pbx.ami_port
        site = Site(directory, provider.url, extra=extra, files=files).write()
        with service(site) as serving:
            found = re.search(r"web=(\S+)", serving.first_line)
            assert found, serving.first_line
            with running(directory / "prometheus", found[1]) as server:
                server.until("dialdip_ami_connected == 1")
                asyncio.run(traffic(pbx, serving))
                ended = time.time() + 2  # two scrapes later
                server.until(f"sum(dialdip_trunk_attempts_total) >= {4 * WAVES + ROW}", limit_s=15)
                server.until("dialdip_probe_ok", limit_s=15)
                server.until(f"timestamp(dialdip_brownout_level) > {ended}", limit_s=15)
                yield Scraped(server, site, ended)


@ONLY_22
@pytest.mark.parametrize("query", list(queries()), ids=str)
def test_a_query_returns_data(scraped: Scraped, query: Query) -> None:
    assert scraped.then(query.expression), query.expression


@ONLY_22
def test_counters_are_what_the_calls_were(scraped: Scraped) -> None:
    """A wave: one answered at good, one there after full or instead, one to Germany; one busy."""
    for expression, wanted in (
        ('dialdip_trunk_answered_total{trunk="good"}', WAVES),
        ('dialdip_trunk_attempts_total{trunk="busy",outcome="busy"}', WAVES),
        ('dialdip_trunk_attempts_total{trunk="full",outcome="failed"}', ROW),
        ('sum(dialdip_trunk_attempts_total{trunk="good"})', 3 * WAVES),
        ('dialdip_trunk_causes_total{trunk="full",cause="34"}', ROW),
        ('dialdip_trunk_state{trunk="full",state="down"}', 1),
        ('dialdip_trunk_state{trunk="good",state="up"}', 1),
        ('dialdip_calls_total{source="policy"}', WAVES),
        ('dialdip_security_events_total{kind="misrouted_pattern"}', WAVES),
        ("sum(dialdip_calls_total)", 7 * WAVES),
        ("sum(dialdip_agi_seconds_count)", 4 * WAVES),
        ("sum(dialdip_trunk_calls)", 0),
        ("sum(dialdip_unverified_attempts_total)", 0),
    ):
        assert [float(wanted)] == scraped.now(expression), expression


@ONLY_22
def test_talk_time_is_that_of_the_calls(scraped: Scraped) -> None:
    """A second each, after the half that Answer() waits for media (main/channel.c)."""
    (talk,) = scraped.now('dialdip_trunk_talk_seconds_total{trunk="good"}')
    assert pytest.approx(1.5 * WAVES, abs=0.2 * WAVES) == talk


@ONLY_22
def test_top_shows_what_prometheus_has(scraped: Scraped) -> None:
    done = subprocess.run(
        [*PROGRAM, "--config", str(scraped.site.path), "top", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = json.loads(done.stdout)
    good = next(one for one in found["trunks"] if one["trunk"] == "good")
    assert WAVES == good["windows"]["3600"]["answered"]
    assert 7 * WAVES == found["calls"]["total"]
    assert found["asterisks"][0]["connected"]


@ONLY_22
def test_no_rule_fails(scraped: Scraped) -> None:
    groups = scraped.server.api("rules")["groups"]
    assert {"ok"} == {rule["health"] for group in groups for rule in group["rules"]}


@ONLY_22
def test_no_name_of_a_rule_is_unknown_to_the_service(scraped: Scraped) -> None:
    """A metric that a rule reads and nobody exports would never alert."""
    known = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for name in scraped.server.api("label/__name__/values")
    }
    rules = Path(__file__).parents[2] / "grafana" / "rules"
    text = "".join(path.read_text() for path in rules.glob("*.yml"))
    read = {re.sub(r"_bucket$", "", name) for name in re.findall(r"\bdialdip_\w+", text)}
    recorded = set(re.findall(r":(dialdip_\w+):", text))
    assert set() == read - known - recorded
