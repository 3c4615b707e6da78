"""Comcetera NPL as one of the sandbox's APIs: ``/npl``, text of version 2 and JSON of version 3."""

from __future__ import annotations

from agi.sandbox import npl
from agi.sandbox.exchange import TEXT, Answer, Api, Asked, Ground, Reply
from agi.sandbox.faults import OTHER_NETWORK, Order, Trouble, other_answer
from agi.sandbox.wire import Request


class Npl:
    """The API behind ``/npl``; ``eol`` ends a line."""

    api = Api.NPL

    def __init__(self, ground: Ground, eol: str) -> None:
        self._account = ground.account
        self._people = ground.people
        self._eol = eol

    def read(self, request: Request) -> Asked | Reply | None:
        """Read one request: a question, a refusal, or None for a page that is not there."""
        if request.path != "/npl":
            return None
        if request.method not in {"GET", "POST"}:
            return Reply(b"", 405, TEXT, (("Allow", "GET, POST"),))
        query = npl.read_query(request.form())
        refusal = npl.first_refusal(query, self._account)
        if refusal is not None:
            return self.say(refusal)
        count = len(query.numbers)
        if query.json:
            return Asked(query.numbers, self._array(query), count, pieces=self._pieces)
        return Asked(query.numbers, self._text(query), count, economy=query.economy)

    def refuse(self, trouble: Trouble) -> Reply | None:
        """Return the vendor's own words for an ordered refusal; None: it has none."""
        refusal = npl.ORDERED.get(trouble)
        return None if refusal is None else self.say(refusal)

    def say(self, refusal: npl.Refusal) -> Reply:
        """Refuse with a first line."""
        return Reply((refusal + self._eol).encode(), kind=TEXT, failed=True)

    def _text(self, query: npl.Query) -> Answer:
        def answer(order: Order | None, concerned: frozenset[str]) -> Reply:
            lines = npl.lines_of(query, self._people)
            true = npl.body(lines, self._eol, order, concerned)
            other = npl.body(other_answer(lines), self._eol, None, concerned)
            return Reply(true, kind=TEXT, other=other)

        return answer

    def _array(self, query: npl.Query) -> Answer:
        def answer(order: Order | None, concerned: frozenset[str]) -> Reply:
            elsewhere = Order(Trouble.NETWORK, word=OTHER_NETWORK)
            other = self._pieces(query.numbers, elsewhere, frozenset(query.numbers))
            true = self._pieces(query.numbers, order, concerned)
            return Reply(_array(true), other=_array(other))

        return answer

    def _pieces(
        self, numbers: tuple[str, ...], order: Order | None, concerned: frozenset[str]
    ) -> list[bytes]:
        return npl.objects(numbers, self._people, order, concerned)


def _array(objects: list[bytes]) -> bytes:
    return b"[" + b",".join(objects) + b"]"
