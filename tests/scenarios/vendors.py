"""The words of each vendor: what a request asks, and the bytes that answer it. Pure.

Written from the vendors' pages, not from our parsers: Comcetera "NumberPortabilityLookup API"
(2.4, text, and 3, JSON), LANCK/Boomware "HLR Lookup" and "Fraud check", Data Soap "API document"
and "Asynchronous API", hlrlookup.com "full API result".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from agi.model import Msisdn


@dataclass(frozen=True, slots=True)
class Word:
    """What is said of one number: a network, else ``live`` or ``nothing``, else a vendor's code.

    ``of`` is the number that the answer names.
    """

    of: Msisdn = field(repr=False)
    network: str = ""
    code: str = ""
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """One request, read as the vendor reads it. ``what`` is what is asked: hlr, fraud, TPS ..."""

    kind: str
    what: str
    numbers: tuple[Msisdn, ...] = field(repr=False)
    postback: str = ""


def question(kind: str, url_path: str, url_query: str, body: bytes) -> Question:
    """Read a request."""
    text = body.decode()
    if kind == "hlrlookup":
        asked = json.loads(text)["requests"]
        numbers = tuple(Msisdn(one["telephone_number"]) for one in asked)
        return Question(kind, url_path.rpartition("/")[2], numbers)
    if kind == "datasoap" and url_path.endswith("/v1/async"):
        job = json.loads(text)
        number = Msisdn(job["Lookup"].removeprefix("00"))
        return Question(kind, job["Type"], (number,), job["PostbackUrl"])
    form = dict(parse_qsl(text or url_query))
    if kind == "comcetera":
        what = "json" if form.get("format") == "json" else "text"
        return Question(kind, what, tuple(map(Msisdn, form["msisdn"].split(","))))
    digits = re.sub("[^0-9]", "", form["number"])
    if kind == "lanck":
        return Question(kind, url_path.rpartition("/")[2], (Msisdn(digits),))
    return Question(kind, form["type"], (Msisdn(digits.removeprefix("00")),))


def lines(asked: Question, word: Word) -> bytes:
    """Return the line of Comcetera's text for one number."""
    del asked
    said = word.code or (f"{word.network},447785014000,234159100000000" if word.network else "")
    return f"{word.of} {said or 'VERIZON'}\n".encode()


def body(asked: Question, words: list[Word]) -> bytes:
    """Return the whole body of a vendor who answers in one piece."""
    makers = {
        "comcetera": _npl_3,
        "lanck": _lanck,
        "hlrlookup": _hlrlookup,
        "datasoap": _datasoap,
    }
    return json.dumps(makers[asked.kind](asked, words)).encode()


def receipt(job: str) -> bytes:
    """Return what Data Soap answers to a submission."""
    return json.dumps({"Job": job}).encode()


def postback(asked: Question, word: Word, job: str) -> bytes:
    """Return what Data Soap posts later."""
    said: dict[str, Any] = {"Type": asked.what, "Job": job, "Lookup": f"00{word.of}"}
    if word.code.startswith("-"):
        return json.dumps(said | {"ErrorCode": int(word.code)}).encode()
    return json.dumps(said | {"Result": _soap_result(asked, word)}).encode()


def _npl_3(asked: Question, words: list[Word]) -> list[dict[str, Any]]:
    del asked
    return [
        {
            "msisdn": str(word.of),
            "mccmnc": word.network or None,
            "errorcode": int(word.code.removeprefix("ERR") or 0),
            "validnumber": "true",
        }
        for word in words
    ]


def _lanck(asked: Question, words: list[Word]) -> dict[str, Any]:
    (word,) = words
    if word.code.isdigit():
        return {"errorCode": int(word.code), "errorReason": "as the page lists it"}
    if asked.what == "fraudcheck":
        return {"status": word.code}
    said: dict[str, Any] = {"number": f"+{word.of}", "status": word.code or "DELIVERED"}
    if word.network:
        # The vendor writes every MNC with three digits: 24205 is 242005.
        said["mccmnc"] = word.network[:3] + word.network[3:].zfill(3)
        said["ported"] = word.more.get("ported") == "yes"
    return said


def _hlrlookup(asked: Question, words: list[Word]) -> dict[str, Any]:
    return {"results": [_hlr_row(asked.what, word) for word in words]}


def _hlr_row(what: str, word: Word) -> dict[str, Any]:
    row: dict[str, Any] = {
        "error": "NONE",
        "request_parameters": {"telephone_number": word.of},
        "credits_spent": float(word.more.get("credits", 0.5 if what == "mnp" else 1)),
        "live_status": word.code or ("NOT_APPLICABLE" if what == "mnp" else "LIVE"),
        "original_network": "NOT_AVAILABLE",
        "current_network": "NOT_AVAILABLE",
        "is_ported": word.more.get("ported", "no").upper(),
        "telephone_number_type": "MOBILE",
    }
    if word.code == "INTERNAL_ERROR":
        return row | {"error": "INTERNAL_ERROR"}
    if word.code == "BAD_FORMAT":
        return row | {"telephone_number_type": "BAD_FORMAT"}
    if word.network:
        row |= {"current_network": "AVAILABLE"}
        row["current_network_details"] = {"mccmnc": word.network}
    return row


def _datasoap(asked: Question, words: list[Word]) -> dict[str, Any]:
    (word,) = words
    if word.code.startswith("-"):
        return {"DataSoapAPIResponse": {"ErrorCode": word.code}}
    return {"DataSoapAPIResponse": {f"{asked.what}Result": _soap_result(asked, word)}}


def _soap_result(asked: Question, word: Word) -> dict[str, Any]:
    if asked.what in {"TPS", "Unsubscribe"}:
        return {"Listed": word.code == "LISTED", "Lookup": f"00{word.of}"}
    if asked.what == "Landline":
        return {"IsActive": word.code != "OFF", "Lookup": f"00{word.of}"}
    said: dict[str, Any] = {"On": word.code != "OFF", "Lookup": f"00{word.of}"}
    if word.network:
        said |= {"MCC": word.network[:3], "MNC": word.network[3:]}
    return said
