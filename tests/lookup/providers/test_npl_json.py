"""NPL version 3: the keys that customers' programs use, and the echo that is mandatory."""

import json
from collections.abc import Sequence

import pytest

from agi.errors import ProviderFault
from agi.lookup.provider import Answer
from agi.lookup.providers.comcetera import Comcetera
from agi.model import Line, Live, Mccmnc, Msisdn, NumberInfo, Outcome

ONE = Msisdn("447788450450")
TWO = Msisdn("447810701702")
EE = NumberInfo(Mccmnc("23430"), Live.LIVE, None, Line.MOBILE)
SAID: dict[str, object] = {
    "msisdn": ONE,
    "mccmnc": "23430",
    "operatorname": "EE",
    "numbertype": "MOBILE",
    "mobile": "true",
    "validnumber": "true",
    "reachable": "true",
    "errorcode": "0",
}

NPL = Comcetera(
    name="npl", url="https://npl.example/npl", username="bob", password="pw", api_version="3"
)


def read(body: bytes, numbers: Sequence[Msisdn] = (ONE,)) -> tuple[list[Answer], str, int]:
    """Read a whole body; return the answers, the cause of the fault, the strangers."""
    reading = NPL.parse(200, numbers)
    answers: list[Answer] = []
    try:
        answers += reading.feed(body)
        answers += reading.close()
    except ProviderFault as fault:
        return answers, fault.cause, reading.strangers
    return answers, "", reading.strangers


def one(**changed: object) -> Answer:
    """Read the answer about one number, with some keys changed; None leaves a key out."""
    said = {key: value for key, value in (SAID | changed).items() if value is not None}
    answers, cause, strangers = read(json.dumps([said]).encode())
    assert ("", 0, 1) == (cause, strangers, len(answers))
    return answers[0]


def test_an_object_is_an_answer() -> None:
    assert Answer(ONE, Outcome.OK, EE) == one()


def test_an_answer_comes_with_the_last_byte_of_its_object() -> None:
    reading = NPL.parse(200, (ONE, TWO))
    body = json.dumps([SAID, SAID | {"msisdn": TWO}]).encode()
    middle = body.index(b"}") + 1
    assert [] == reading.feed(body[: middle - 1])
    assert [Answer(ONE, Outcome.OK, EE)] == reading.feed(body[middle - 1 : middle])
    assert [Answer(TWO, Outcome.OK, EE)] == reading.feed(body[middle:])
    assert [] == reading.close()


@pytest.mark.parametrize(
    "key", ["msisdn", "number", "phonenumber", "phone_number", "telephone_number", "phone"]
)
@pytest.mark.parametrize("name", [ONE, f"+{ONE}", int(ONE)])
def test_several_keys_may_name_the_number(key: str, name: object) -> None:
    assert Answer(ONE, Outcome.OK, EE) == one(**{"msisdn": None, key: name})


def test_a8_an_object_for_another_number_is_a_stranger() -> None:
    body = json.dumps([SAID | {"msisdn": "447000000001"}, SAID]).encode()
    assert ([Answer(ONE, Outcome.OK, EE)], "", 1) == read(body)


NAMELESS = [
    {"msisdn": None},
    {"msisdn": ""},
    {"msisdn": "0044 7788 450450"},
    {"msisdn": ONE, "number": TWO},
]


@pytest.mark.parametrize("names", NAMELESS)
def test_a8_nothing_is_taken_by_its_position(names: dict[str, object]) -> None:
    body = json.dumps([SAID | names, SAID | {"msisdn": TWO}]).encode()
    expected = [Answer(TWO, Outcome.OK, EE), Answer(ONE, Outcome.TEMPORARY)]
    assert (expected, "", 1) == read(body, (ONE, TWO))


@pytest.mark.parametrize("names", NAMELESS)
def test_a8_the_only_object_that_names_no_number_is_malformed(names: dict[str, object]) -> None:
    assert ([], "malformed", 0) == read(json.dumps([SAID | names]).encode())


def test_of_two_objects_for_one_number_the_first_stands() -> None:
    body = json.dumps([SAID, SAID | {"mccmnc": "23415"}]).encode()
    assert ([Answer(ONE, Outcome.OK, EE)], "", 0) == read(body)


def test_the_first_of_two_is_kept_when_the_second_is_broken() -> None:
    reading = NPL.parse(200, (ONE, TWO))
    assert [Answer(ONE, Outcome.OK, EE)] == reading.feed(json.dumps([SAID]).encode()[:-1] + b",[")
    with pytest.raises(ProviderFault, match="malformed"):
        reading.feed(b"")
    with pytest.raises(ProviderFault, match="malformed"):
        reading.close()


@pytest.mark.parametrize(
    ("keys", "network"),
    [
        ({"mccmnc": "234030"}, "23430"),
        ({"mccmnc": 23430}, "23430"),
        ({"mccmnc": None, "mcc": "234", "mnc": "30"}, "23430"),
        ({"mccmnc": "", "mcc": 213, "mnc": 3}, "21303"),
        ({"mccmnc": "310260"}, "310260"),
        ({"mccmnc": "310012"}, "310012"),
    ],
)
def test_a8_the_network_is_in_one_key_or_in_two(keys: dict[str, object], network: str) -> None:
    info = one(**keys).info
    assert info is not None
    assert network == info.mccmnc


@pytest.mark.parametrize("keys", [{"mccmnc": None}, {"mccmnc": None, "mcc": "234"}])
def test_without_a_network_there_is_still_liveness(keys: dict[str, object]) -> None:
    assert Answer(ONE, Outcome.OK, NumberInfo(None, Live.LIVE, None, Line.MOBILE)) == one(**keys)


@pytest.mark.parametrize(
    "keys",
    [
        {"mccmnc": "US866"},
        {"mccmnc": "gw&Local/1@ctx"},
        {"mccmnc": None, "mcc": "US", "mnc": 866},
        {"mccmnc": True},
        {"errorcode": "ERR"},
        {"errorcode": "-1"},
        {"errorcode": "false"},
        {"errorcode": "12345"},
    ],
)
def test_a6_a_value_that_is_not_understood_is_malformed_for_its_number(
    keys: dict[str, object],
) -> None:
    assert Answer(ONE, Outcome.MALFORMED) == one(**keys)


@pytest.mark.parametrize(
    ("said", "live"),
    [
        ("true", Live.LIVE),
        (True, Live.LIVE),
        ("false", Live.ABSENT),
        ("undetermined", None),
        ("not_sms_capable", None),
        ("new word", None),
        (None, None),
    ],
)
def test_reachable_is_liveness_where_it_speaks_of_voice(said: object, live: Live | None) -> None:
    info = one(reachable=said).info
    assert info is not None
    assert live == info.live


@pytest.mark.parametrize(
    ("kind", "mobile", "line"),
    [
        ("MOBILE", "true", Line.MOBILE),
        ("landline", "false", Line.LANDLINE),
        ("VOIP", None, Line.VOIP),
        (None, "true", Line.MOBILE),
        ("something", "false", None),
    ],
)
def test_the_line_is_the_number_type(kind: str | None, mobile: str | None, line: Line) -> None:
    info = one(numbertype=kind, mobile=mobile).info
    assert info is not None
    assert line == info.line


@pytest.mark.parametrize("code", ["29", "ERR29", 29, "0029"])
def test_an_error_code_is_that_of_the_text_versions(code: object) -> None:
    absent = Answer(ONE, Outcome.ABSENT, NumberInfo(live=Live.ABSENT), "err29")
    assert absent == one(errorcode=code, mccmnc=None)


def test_an_absent_subscriber_with_a_network_is_routable() -> None:
    info = NumberInfo(Mccmnc("23430"), Live.ABSENT, None, Line.MOBILE)
    assert Answer(ONE, Outcome.OK, info) == one(errorcode="29")
    assert Answer(ONE, Outcome.OK, EE) == one(errorcode="21")


@pytest.mark.parametrize("said", ["false", False])
def test_a_number_that_is_none_is_invalid(said: object) -> None:
    invalid = Answer(ONE, Outcome.INVALID_NUMBER, code="invalid-number")
    assert invalid == one(validnumber=said, mccmnc=None)


@pytest.mark.parametrize("code", ["0", "", None, 0])
def test_code_0_is_no_error(code: object) -> None:
    assert Answer(ONE, Outcome.OK, EE) == one(errorcode=code)


def test_a_number_passed_over_in_silence_is_temporary() -> None:
    expected = [Answer(ONE, Outcome.OK, EE), Answer(TWO, Outcome.TEMPORARY)]
    assert (expected, "", 0) == read(json.dumps([SAID]).encode(), (ONE, TWO))


@pytest.mark.parametrize("body", [b"[", b"[{", json.dumps([SAID]).encode()[:-1]])
def test_an_array_without_its_end_is_truncated(body: bytes) -> None:
    assert "truncated" == read(body)[1]


def test_an_unknown_key_may_hold_anything() -> None:
    assert Answer(ONE, Outcome.OK, EE) == one(extra={"a": [1, {"b": None}]})


def test_a_known_key_of_another_type_is_malformed() -> None:
    assert ([], "malformed", 0) == read(json.dumps([SAID | {"mccmnc": ["23430"]}]).encode())


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"FAIL Invalid password\n", "account"),
        (b"ERR ACCOUNT LOCKED - Please arrange payment", "account"),
        (b"FAIL Request too long\n", "bad_request"),
        (b'{"msisdn":"447788450450","mccmnc":"23430"}', "malformed"),
        (b"", "malformed"),
    ],
)
def test_f22_version_3_may_answer_in_text(body: bytes, cause: str) -> None:
    assert ([], cause, 0) == read(body)


def test_legacy_text_is_read_by_version_3_too() -> None:
    body = b"QUERYOK\n447788450450 23430\n15551234567 310260\nENDBATCH\n"
    live = NumberInfo(Mccmnc("23430"), Live.LIVE)
    assert ([Answer(ONE, Outcome.OK, live)], "", 1) == read(body)
