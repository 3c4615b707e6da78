"""A real Prometheus scrapes, and every query of every dashboard returns data."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from agi.web.exposition import Bounds, exposition
from tests.grafana.prometheus import Prometheus, promtool, running
from tests.grafana.queries import Query, queries, values
from tests.scenes import made

QUERIES = list(queries())


@contextmanager
def made_service() -> Iterator[str]:
    """Serve the exposition of a made scene whose counters go on, a second each second."""
    begun = time.monotonic() - 100
    bounds = Bounds()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            scene = made(int((time.monotonic() - begun) * 10))
            said = exposition(scene, self.headers.get("Accept", ""), bounds)
            self.send_response(200)
            self.send_header("Content-Type", said.content_type)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            self.wfile.write(said.body)

        def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 - theirs
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has scraped a made service a few times."""
    with (
        made_service() as target,
        running(tmp_path_factory.mktemp("made") / "prometheus", target) as server,
    ):
        server.until("count_over_time(dialdip_brownout_level[1m]) >= 5")
        yield server


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_a_query_returns_data(scraped: Prometheus, query: Query) -> None:
    assert values(scraped.query(query.expression)), query.expression


def test_a_query_of_what_is_not_there_is_seen(scraped: Prometheus) -> None:
    """The test itself: a wrong name, a wrong label, a share of nothing."""
    for wrong in ("dialdip_cals_total", 'dialdip_calls_total{source="x"}', "vector(0) / 0"):
        assert [] == values(scraped.query(wrong))


def test_the_target_is_up_and_no_sample_is_refused(scraped: Prometheus) -> None:
    (target,) = scraped.api("targets")["activeTargets"]
    assert ("up", "") == (target["health"], target["lastError"])


def _health(server: Prometheus) -> dict[str, str]:
    groups = server.api("rules")["groups"]
    return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}


def test_every_rule_is_evaluated_without_an_error(scraped: Prometheus) -> None:
    end = time.monotonic() + 60
    while "unknown" in (health := _health(scraped)).values():  # not evaluated yet
        assert time.monotonic() < end, health
        time.sleep(0.1)
    assert {"ok"} == set(health.values()), health


def test_what_is_wrong_with_the_made_service_is_alerted(scraped: Prometheus) -> None:
    """PBX pbx2 is not heard, trunk uk-b is down, provider lanck is not asked."""
    wrong = ("DialdipAmiNotConnected", "DialdipTrunkDown", "DialdipProviderDown")
    scraped.until(f'count(ALERTS{{alertname=~"{"|".join(wrong)}"}}) >= {len(wrong)}')
    pending = {
        sample["metric"]["alertname"]: sample["metric"] for sample in scraped.query("ALERTS")
    }
    assert "pbx2" == pending["DialdipAmiNotConnected"]["asterisk"]
    assert "uk-b" == pending["DialdipTrunkDown"]["trunk"]
    assert "lanck" == pending["DialdipProviderDown"]["provider"]
    assert "DialdipDown" not in pending
    assert "DialdipNoRouter" not in pending


def test_figures_are_those_of_the_scene(scraped: Prometheus) -> None:
    """70 % of uk-a's seizures are answered, 8 of 100 calls come from elsewhere than memory."""

    def value(expression: str) -> float:
        scraped.until(expression)  # recorded by a rule, perhaps not yet
        (found,) = values(scraped.query(expression))
        return found

    assert pytest.approx(0.7) == value('trunk:dialdip_asr:ratio_rate5m{trunk="uk-a"}')
    assert pytest.approx(182.0) == value('trunk:dialdip_acd_seconds:mean_rate5m{trunk="de-a"}')
    assert pytest.approx(0.85 / 0.99) == value("instance:dialdip_cache_hits:ratio_rate5m")
    assert pytest.approx(0.02 / 0.99) == value("instance:dialdip_blind_calls:ratio_rate5m")
    assert 112.0 == value('dialdip_trunk_calls{trunk="uk-a"}')


def test_promtool_finds_no_fault_in_the_metrics() -> None:
    done = promtool("check", "metrics", given=exposition(made(100)).body.decode())
    assert (0, "") == (done.returncode, done.stdout + done.stderr)
