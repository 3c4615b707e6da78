"""What every provider has to keep, whoever wrote it: one row per provider object.

A new provider adds one ``Row`` to ``ROWS``; nothing else here knows any provider.
"""

import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any

import pytest

from agi.errors import ProviderFault
from agi.lookup.provider import Answer, Provider
from agi.lookup.providers.comcetera import Comcetera
from agi.lookup.providers.datasoap import DatasoapAsync, DatasoapSync
from agi.lookup.providers.hlrlookup import HlrLookup
from agi.lookup.providers.lanck import LanckFraud, LanckHlr
from agi.lookup.record import read as record_read
from agi.lookup.record import said_of, written
from agi.model import Fraud, Line, Live, Mccmnc, Msisdn, NumberInfo, Outcome

ONE = Msisdn("447788450450")
TWO = Msisdn("447810701702")
NOBODY = Msisdn("447000000001")
SECRETS = ("bob-the-user", "s3cret-pass")
CAUSES = {"http", "malformed", "truncated", "account", "bad_request", "throttled"}
HOSTILE = [
    "gw&Local/1@ctx",
    "x,5,U(c)",
    '"',
    "\\",
    "${EVAL(1)}",
    "234\u202e15",
    "234\x0015",
    "234\x1b15",
    "234\r\n15",
    "\u0662\u0663\u0664\u0661\u0665",
    "9" * 9000,
    "000000",
    "90199999",
]
"""Row A6: what a dial plan, a terminal or a reader of logs would take for more than a value."""


@dataclass(frozen=True)
class Row:
    """One provider object.

    ``body(value)`` is a sound answer about ``numbers`` in which ``value`` stands where the network
    (or a screen's verdict) of the first number does; with ``value`` it gives ``expected``.
    ``form`` is ``json`` or ``text``. ``pending`` is a well-formed answer that is none yet.
    ``names`` is False where the vendor's answer names no number; ``url`` where the number is
    asked in the URL.
    """

    name: str
    make: Callable[[], Provider]
    numbers: tuple[Msisdn, ...]
    body: Callable[[str], bytes]
    value: str
    expected: tuple[Answer, ...]
    form: str = "json"
    pending: bytes = b"{}"
    names: bool = True
    url: bool = False
    faults: tuple[tuple[int, str], ...] = (
        *((401, "account"), (402, "account"), (403, "account"), (429, "throttled")),
        *((500, "http"), (503, "http"), (302, "http"), (199, "http")),
    )

    @property
    def good(self) -> bytes:
        return self.body(self.value)


def npl(version: str) -> Comcetera:
    return Comcetera(
        name="npl",
        url="https://npl.example/npl",
        username=SECRETS[0],
        password=SECRETS[1],
        api_version=version,
    )


def npl_text(network: str) -> bytes:
    return (
        f"QUERYOK\n{ONE} {network},447785014185,234158341040126\n{TWO} ERR29\nENDBATCH\n"
    ).encode()


def npl_json(network: str) -> bytes:
    first = {"msisdn": ONE, "mccmnc": network, "reachable": "true", "errorcode": "0"}
    return json.dumps([first, {"msisdn": TWO, "errorcode": "29"}]).encode()


def lanck_hlr(network: str) -> bytes:
    said = {"id": "A82f", "number": f"+{ONE}", "mccmnc": network, "status": "DELIVERED"}
    return json.dumps(said | {"createdAt": 1550975149131}).encode()


def lanck_fraud(status: str) -> bytes:
    return json.dumps({"status": status, "mobilePrefix": False}).encode()


def hlrlookup(network: str) -> bytes:
    first = {
        "error": "NONE",
        "request_parameters": {"telephone_number": ONE},
        "credits_spent": 0.5,
        "current_network": "AVAILABLE",
        "current_network_details": {"name": "x", "mccmnc": network},
        "is_ported": "YES",
        "telephone_number_type": "MOBILE",
    }
    second = {
        "request_parameters": {"telephone_number": TWO},
        "credits_spent": 0,
        "live_status": "NO_COVERAGE",
    }
    return json.dumps({"body": {"results": [first, second]}}).encode()


def soap(type_: str, method: str = "POST") -> DatasoapSync:
    return DatasoapSync(
        name="soap", url="https://soap.example", token=SECRETS[1], type=type_, method=method
    )


def soap_async() -> DatasoapAsync:
    return DatasoapAsync(
        name="soap",
        url="https://soap.example",
        token=SECRETS[1],
        postback_url=f"https://pbx.example/hooks/datasoap/{SECRETS[0]}",
    )


def soap_said(said: dict[str, object]) -> bytes:
    return json.dumps({"DataSoapAPIResponse": said}).encode()


def soap_hlr(network: str) -> bytes:
    return soap_said({"Number": f"00{ONE}", "HLRResult": {"On": True, "MCCMNC": network}})


def acme() -> Provider:
    """Return the provider that the page "Write your own provider" shows."""
    page = (Path(__file__).parents[3] / "docs" / "providers.md").read_text()
    match = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert match
    module = sys.modules.setdefault("docs_providers_acme", ModuleType("docs_providers_acme"))
    exec(compile(match[1], "docs/providers.md", "exec"), module.__dict__)
    made: Provider = module.Acme(name="acme", url="https://acme.example/lookup", key=SECRETS[1])
    return made


VODAFONE = NumberInfo(Mccmnc("23415"), Live.LIVE)
ABSENT = Answer(TWO, Outcome.ABSENT, NumberInfo(live=Live.ABSENT), "err29")
KEYS: dict[str, Any] = {
    "name": "acct",
    "url": "https://api.example/v1",
    "username": SECRETS[0],
    "password": SECRETS[1],
}
ROWS = [
    *(
        Row(
            name=f"comcetera-{version}",
            make=lambda version=version: npl(version),  # type: ignore[misc] # bound now
            numbers=(ONE, TWO),
            body=npl_text,
            value="23415",
            expected=(Answer(ONE, Outcome.OK, VODAFONE), ABSENT),
            form="text",
            pending=f"QUERYOK\n{ONE} PENDING\n{TWO} \nENDBATCH\n".encode(),
        )
        for version in ("2.3", "2.4", "2.5", "3")
    ),
    Row(
        name="comcetera-3-json",
        make=lambda: npl("3"),
        numbers=(ONE, TWO),
        body=npl_json,
        value="23415",
        expected=(Answer(ONE, Outcome.OK, VODAFONE), ABSENT),
        pending=json.dumps([{"msisdn": ONE, "status": "pending"}]).encode(),
    ),
    Row(
        name="lanck-hlr",
        make=lambda: LanckHlr(**KEYS),
        numbers=(ONE,),
        body=lanck_hlr,
        value="234015",
        expected=(Answer(ONE, Outcome.OK, VODAFONE),),
        pending=json.dumps({"number": ONE, "mccmnc": "23415", "status": "pending"}).encode(),
    ),
    Row(
        name="lanck-hlr-get",
        make=lambda: LanckHlr(method="GET", **KEYS),
        numbers=(ONE,),
        body=lanck_hlr,
        value="234015",
        expected=(Answer(ONE, Outcome.OK, VODAFONE),),
        url=True,
    ),
    Row(
        name="lanck-fraud",
        make=lambda: LanckFraud(**KEYS),
        numbers=(ONE,),
        body=lanck_fraud,
        value="FRAUDLENT",
        expected=(Answer(ONE, Outcome.OK, verdict=Fraud.FRAUDULENT),),
        pending=b'{"status":"PENDING"}',
        names=False,
    ),
    *(
        Row(
            name=f"hlrlookup-{lookup}",
            make=lambda lookup=lookup: HlrLookup(lookup=lookup, **KEYS),  # type: ignore[misc] # same
            numbers=(ONE, TWO),
            body=hlrlookup,
            value="23415",
            expected=(
                Answer(
                    ONE,
                    Outcome.OK,
                    NumberInfo(Mccmnc("23415"), None, True, Line.MOBILE),
                    units=0.5,
                ),
                Answer(TWO, Outcome.UNSUPPORTED, code="no_coverage", units=0.0),
            ),
            pending=b'{"status":"pending","results":[]}',
        )
        for lookup in ("mnp", "hlr")
    ),
    Row(
        name="acme",
        make=acme,
        numbers=(ONE,),
        body=lambda network: json.dumps({"number": ONE, "network": network}).encode(),
        value="23415",
        expected=(Answer(ONE, Outcome.OK, NumberInfo(Mccmnc("23415"))),),
    ),
    Row(
        name="datasoap-hlr",
        make=lambda: soap("hlr"),
        numbers=(ONE,),
        body=soap_hlr,
        value="23415",
        expected=(Answer(ONE, Outcome.OK, VODAFONE),),
    ),
    Row(
        name="datasoap-hlr-get",
        make=lambda: soap("hlr", "GET"),
        numbers=(ONE,),
        body=soap_hlr,
        value="23415",
        expected=(Answer(ONE, Outcome.OK, VODAFONE),),
        url=True,
    ),
    Row(
        name="datasoap-tps",
        make=lambda: soap("tps"),
        numbers=(ONE,),
        body=lambda listed: soap_said({"TPSResult": {"Listed": listed}}),
        value="true",
        expected=(Answer(ONE, Outcome.OK, verdict="listed"),),
        pending=b'{"DataSoapAPIResponse":{"status":"pending"}}',
        names=False,
    ),
    Row(
        name="datasoap-async",
        make=soap_async,
        numbers=(ONE,),
        body=lambda job: json.dumps({"Job": job}).encode(),
        value="56effe97-8f3a-4636-9dd0-78bc1faee005",
        expected=(Answer(ONE, Outcome.TEMPORARY, job="56effe97-8f3a-4636-9dd0-78bc1faee005"),),
        names=False,
    ),
    # A file is asked without a request and has no bytes to read.
]
EVERY = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
JSONS = pytest.mark.parametrize(
    "row", [row for row in ROWS if row.form == "json"], ids=lambda row: row.name
)
Outcome3 = tuple[list[Answer], ProviderFault | None, int]


def pieces(body: bytes, cuts: list[int]) -> Iterator[bytes]:
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        yield body[start:end]


def told(
    row: Row, body: bytes, cuts: list[int] | None = None, asked: tuple[Msisdn, ...] | None = None
) -> Outcome3:
    """Return the answers, the fault and the strangers of a body that comes in pieces."""
    reading = row.make().parse(200, asked or row.numbers)
    answers: list[Answer] = []
    try:
        for piece in pieces(body, cuts or []):
            answers += reading.feed(piece)
        answers += reading.close()
    except ProviderFault as fault:
        return answers, fault, reading.strangers
    return answers, None, reading.strangers


def cause(row: Row, body: bytes) -> str:
    fault = told(row, body)[1]
    return fault.cause if fault else ""


def meant(outcome: Outcome3) -> tuple[list[Answer], str, int]:
    answers, fault, strangers = outcome
    return answers, fault.cause if fault else "", strangers


def positive(answers: list[Answer]) -> list[Answer]:
    return [a for a in answers if a.verdict or (a.info is not None and a.info.mccmnc is not None)]


def sound(row: Row, outcome: Outcome3, asked: tuple[Msisdn, ...]) -> None:
    """Assert what holds of every answer to every body."""
    answers, fault, _ = outcome
    numbers = [answer.number for answer in answers]
    assert set(numbers) <= set(asked)
    assert len(numbers) == len(set(numbers))
    assert fault is not None or set(numbers) == set(asked)
    assert fault is None or fault.cause in CAUSES
    for answer in answers:
        # Every store reads back what it says: no code, verdict or network is out of grammar.
        said = said_of(answer, "acct", row.make().kind)
        assert said == record_read(written(said))
        assert 0 <= answer.units <= 1000


@EVERY
def test_a_sound_answer_is_read(row: Row) -> None:
    assert (list(row.expected), "", 0) == meant(told(row, row.good))


@EVERY
def test_wherever_it_is_cut_the_answer_is_the_same(row: Row) -> None:
    whole = meant(told(row, row.good))
    for at in range(len(row.good) + 1):
        assert whole == meant(told(row, row.good, [at]))
    assert whole == meant(told(row, row.good, list(range(1, len(row.good)))))


@EVERY
def test_f16_an_answer_that_ends_early_invents_nothing(row: Row) -> None:
    for end in range(len(row.good)):
        outcome = told(row, row.good[:end])
        assert outcome[0] == list(row.expected[: len(outcome[0])])
        assert outcome[1] is not None or len(outcome[0]) == len(row.expected)


@EVERY
def test_300_damaged_answers_are_answers_or_faults_and_no_more(row: Row) -> None:
    dice = random.Random(f"{row.name} 1")
    for _ in range(300):
        body = damaged(row.good, dice)
        outcome = told(row, body)
        sound(row, outcome, row.numbers)
        cuts = sorted(dice.choices(range(len(body) + 1), k=4))
        assert meant(outcome) == meant(told(row, body, cuts))


def damaged(body: bytes, dice: random.Random) -> bytes:
    """Return ``body`` with up to four bytes or stretches changed, left out, doubled or moved."""
    data = bytearray(body)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data) + 1)
        end = min(len(data), at + dice.choice((1, 1, 1, 3, 20)))
        kind = dice.randrange(4)
        if kind == 0:
            data[at:end] = bytes(
                dice.choices(b'0123456789[]{}",:\\ \n\x00\xff-eENtrulfas', k=end - at)
            )
        elif kind == 1:
            del data[at:end]
        elif kind == 2:
            data[at:at] = data[at:end]
        else:
            to = dice.randrange(len(data) + 1)
            data[to:to] = data[at:end]
    return bytes(data)


@EVERY
def test_a8_no_number_is_answered_that_was_not_asked(row: Row) -> None:
    asked = (NOBODY,)
    outcome = told(row, row.good, asked=asked)
    sound(row, outcome, asked)
    if row.names:
        assert [] == positive(outcome[0])
        assert outcome[2] == len(row.numbers)


@EVERY
def test_a8_of_two_answers_for_one_number_the_second_changes_nothing(row: Row) -> None:
    twice = row.good.replace(TWO.encode(), ONE.encode())
    assert row.expected[0] == told(row, twice, asked=(ONE,))[0][0]


@EVERY
@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_a6_a_hostile_value_is_refused_not_repaired(row: Row, value: str) -> None:
    outcome = told(row, row.body(value))
    sound(row, outcome, row.numbers)
    assert ONE not in [answer.number for answer in positive(outcome[0])]


@JSONS
def test_a7_trunks_and_variables_that_a_provider_names_are_nothing(row: Row) -> None:
    more = b'{"trunk":"gw1","CARRIER_TRUNK_1":"gw1","variables":{"CARRIER_ACTION":"route"},'
    assert (list(row.expected), "", 0) == meant(told(row, row.good.replace(b"{", more, 1)))


@EVERY
def test_f22_what_is_not_an_answer_yet_is_not_positive(row: Row) -> None:
    assert [] == positive(told(row, row.pending)[0])


@EVERY
@pytest.mark.parametrize(
    "body",
    [b"", b"<!DOCTYPE html><html><body>Bad Gateway</body></html>", b"\x00", b"\x1f\x8b\x08\x00"],
    ids=["empty", "html", "nul", "gzip"],
)
def test_f16_what_is_no_answer_at_all_is_malformed(row: Row, body: bytes) -> None:
    assert ([], "malformed", 0) == meant(told(row, body))


@EVERY
@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-32"])
def test_f16_an_answer_in_another_charset_is_malformed(row: Row, charset: str) -> None:
    assert ([], "malformed", 0) == meant(told(row, row.good.decode().encode(charset)))


@JSONS
@pytest.mark.parametrize(
    "more",
    [b'"zz":1,"zz":1,', b'"zz":NaN,', b'"zz":-Infinity,', b'"zz":"\xe9",', b'"zz":{"a":1,"a":2},'],
)
def test_f16_what_json_leaves_open_is_malformed(row: Row, more: bytes) -> None:
    assert ([], "malformed", 0) == meant(told(row, row.good.replace(b"{", b"{" + more, 1)))


@JSONS
def test_f16_json_lines_are_not_one_document(row: Row) -> None:
    answers, fault, _ = told(row, row.good + b"\n" + row.good)
    assert "malformed" == (fault.cause if fault else "")
    assert answers == list(row.expected[: len(answers)])


@EVERY
@pytest.mark.parametrize("part", [b"[", b'{"a":', b'[{"a":', b'{"results":['])
def test_f16_a_depth_of_100000_is_malformed_and_cheap(row: Row, part: bytes) -> None:
    begun = perf_counter()
    assert "malformed" == cause(row, part * 100_000)
    assert perf_counter() - begun < 0.5


@EVERY
def test_a_body_at_the_clients_cap_is_cheap(row: Row) -> None:
    """65,536 bytes is what the client lets through; the event loop waits that long."""
    bodies = [b"[" + b"{}," * 21_000, b'{"results":[' + b"{}," * 21_000 + b"{}]}", b"\n" * 65_536]
    begun = perf_counter()
    for body in bodies:
        sound(row, told(row, body), row.numbers)
    assert perf_counter() - begun < 0.5


@EVERY
def test_f20_a_status_that_says_it_all_fails_the_request(row: Row) -> None:
    for status, expected in row.faults:
        with pytest.raises(ProviderFault) as caught:
            row.make().parse(status, row.numbers)
        assert expected == caught.value.cause


@EVERY
def test_secrets_and_numbers_are_in_no_repr_and_no_fault(row: Row) -> None:
    provider = row.make()
    texts = [repr(provider), str(provider), repr(provider.parse(200, row.numbers))]
    if not row.url:
        texts.append(repr(provider.request(row.numbers)))
    texts += [repr(answer) for answer in told(row, row.good)[0]]
    echo = " ".join((*SECRETS, *row.numbers)).encode()
    for body in (echo, b"FAIL " + echo, b'{"error":"' + echo + b'","errorCode":"' + echo + b'"}'):
        fault = told(row, body)[1]
        assert fault is not None
        assert fault.__cause__ is None
        assert fault.__context__ is None or fault.__suppress_context__
        texts += [str(fault), repr(fault), fault.detail]
    for word in (*SECRETS, *row.numbers):
        assert word not in " ".join(texts)


@EVERY
def test_a_request_is_plain_and_uncompressed(row: Row) -> None:
    request = row.make().request(row.numbers)
    assert "identity" == dict(request.headers)["Accept-Encoding"]
    assert request.url.startswith("https://")
    assert all(secret not in request.url for secret in SECRETS)


@EVERY
def test_a_request_of_no_number_or_too_many_is_refused(row: Row) -> None:
    provider = row.make()
    for count in (0, provider.batch_size + 1):
        with pytest.raises(ValueError, match=r"."):
            provider.request([ONE] * count)
