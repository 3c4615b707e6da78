"""The slow reference router: decides a call by going through all rules of a table.

Written from the semantics of the tables and not from the package, of which it imports nothing: so
both can disagree. A call is a dictionary of what is known of it; None or "" is what is not.
"""

from __future__ import annotations

from tests.routing.reference_texts import WORDS, Cell, Dict, Texts

RULINGS = ["allow", "nodip", "deny"]
NATIONAL = {"GB": ("44", "0"), "ES": ("34", "")}  # calling code and trunk prefix


def word(cell: Cell, value: str | None) -> int | None:
    """Return how much a matching cell counts, None if it does not match."""
    if not cell.items:
        return 0
    return 1 if value and (value in cell.items) != cell.negative else None


def network(cell: Cell, value: str | None) -> tuple[int, int] | None:
    if not cell.items:
        return (0, 0)
    exact, mcc = value in cell.items, (value or "")[:3] in cell.items
    if not value or (exact or mcc) == cell.negative:
        return None
    if cell.negative:
        exact = any(len(item) > 3 for item in cell.items)
    return (1, 0) if exact else (0, 1)


def prefix(cell: Cell, digits: str, msisdn: str | None) -> float | None:
    if not cell.items:
        return 0
    exact = [i for i in cell.items if i[0] == "="]
    fits = [100] * (f"={digits}" in exact)
    fits += [len(i) for i in cell.items if msisdn and i not in exact and msisdn.startswith(i)]
    if not cell.negative:
        return max(fits, default=None)
    return None if fits or (not msisdn and len(exact) < len(cell.items)) else 0.5


def caller(cell: Cell, value: str | None) -> float | None:
    if not cell.items:
        return 0
    fits = [32 if i == "anonymous" else len(i) for i in cell.items if (value or "").startswith(i)]
    if not value or bool(fits) == cell.negative:
        return None
    return 0.5 if cell.negative else max(fits)


def specificity(rule: Dict, call: Dict) -> tuple[float, ...] | None:
    """Return how specifically a rule matches a call, None if it does not."""
    if (account := word(rule["account"], call["account"])) is None:
        return None
    if (net := network(rule["mccmnc"], call["mccmnc"])) is None:
        return None
    if (number := prefix(rule["prefix"], call["digits"], call["msisdn"])) is None:
        return None
    if (origin := caller(rule["from"], call["caller"])) is None:
        return None
    rest = [word(rule[name], call[name]) for name in ("country", *WORDS)]
    if None in rest or not (not rule["when"] or any(s.holds(call["at"]) for s in rule["when"])):
        return None
    counts = [value or 0 for value in rest]
    head = (int(rule.get("priority") or 0), account, net[0], number, net[1], origin)
    return (*head, *counts, bool(rule["when"]))


class Reference(Texts):
    """One table, and what it does with calls."""

    def facts(self, call: Dict) -> Dict:
        """Return what is known of a call once a listed error and the ranges had their say."""
        facts, said, number = {**call}, call["said_line"], call["msisdn"]
        if call["error"] or not call["mccmnc"]:
            facts.update(mccmnc=None, ported=None)
            given = [p for p in self.ranges if number and number.startswith(p)]
            if given and call["kind"] == "e164" and call["error"] in (None, "range"):
                home = self.ranges[max(given, key=len)]
                facts.update(mccmnc=home["mccmnc"].replace("-", ""), error=None)
                said = said or home["line"]
        if said and facts["line"] in (None, "mobile-or-landline"):
            facts["line"] = said
        return facts

    def ruling(self, call: Dict) -> tuple[str, int] | None:
        """Return what the policy does with a call and the line of the row that says so."""
        best: tuple[float, int, int] | None = None
        for row in self.policy:
            number = prefix(row["prefix"], call["digits"], call["msisdn"])
            others = (word(row["account"], call["account"]), network(row["mccmnc"], call["mccmnc"]))
            if number is None or None in others or word(row["line"], call["line"]) is None:
                continue
            strength = (int(number), RULINGS.index(row["action"]), -row["row"])
            best = max(best or strength, strength)
        return best and (RULINGS[best[1]], -best[2])

    def winner(self, facts: Dict) -> Dict:
        seen = [r for r in self.rules if r["emergency"] == (facts["kind"] == "emergency")]
        found = [(specificity(rule, facts), rule) for rule in seen]
        matching = [(how, rule) for how, rule in found if how is not None]
        if matching:
            return max(matching, key=lambda pair: pair[0])[1]
        return next(rule for rule in self.rules if rule["default"])

    def number(self, trunk: Dict, call: Dict) -> str | None:
        """Return the number to send; None if the trunk's form gives nothing or too much."""
        if not call["msisdn"] or call["kind"] in ("emergency", "short"):
            return str(call["digits"])
        form, number = trunk["number_format"] or "e164", str(call["msisdn"])
        code, home = NATIONAL.get(form.partition(":")[2], ("x", ""))
        if number.startswith(code):
            number = home + number.removeprefix(code)
        else:
            number = {"e164": "", "plus": "+"}.get(form, "00") + number
        rest = number[int(trunk["strip"] or 0) :]
        return trunk["prepend"] + rest if rest and len(trunk["prepend"] + rest) <= 32 else None

    def decide(self, call: Dict) -> Dict:
        """Return the answer: cause or None, rule, and the numbers of the trunks of each tier."""
        facts = self.facts(call)
        urgent = call["kind"] == "emergency"
        ruling = None if urgent else self.ruling(facts)
        if ruling and ruling[0] == "deny":
            return {"cause": 21, "rule": f"policy-{ruling[1]}", "tiers": []}
        if (facts["error"] or "").startswith("reject:"):
            return {"cause": int(facts["error"][7:]), "rule": "", "tiers": []}
        rule = self.winner(facts)
        if rule["action"].startswith("reject:"):
            return {"cause": int(rule["action"][7:]), "rule": rule["rule"], "tiers": []}
        tiers = []
        for text in rule["trunks"].split(">"):
            tier = {}
            for name, weight in self.members(text.strip()).items():
                trunk, shut = self.trunks[name], name in call["closed"] and not urgent
                number = self.number(trunk, call)
                if trunk["enabled"] != "no" and not shut and number:
                    tier[name] = (weight, number)
            tiers += [tier] if tier else []
        return {"cause": None if tiers else 34, "rule": rule["rule"], "tiers": tiers}
