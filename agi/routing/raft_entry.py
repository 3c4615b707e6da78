"""The part of the life-raft that reads what was dialled: from digits to the tree and the number.

A few lines of dialplan, filled in with one country's numbering plan; see ``agi.e164.NumberingPlan``
for the order of interpretation. Digits that may be dropped by a network, and those that may be a
number of abroad without saying so, are looked at too, but can only shut a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agi.model import Line
from agi.routing.raft_plan import LINES, Home

_ENTRY: Final = r"""
[carrier-raft]
exten => v1,1,Set(LOCAL(version)=<VERSION>)
 same => n,Set(LOCAL(base)=${number})
 same => n,Set(LOCAL(sure)=1)
 same => n,GotoIf($[0${DIALPLAN_EXISTS(<C>-dialled,${number},1)}]?<C>-dialled,${number},1)
; An emergency number of the site that these tables do not know: its own trunks.
 same => n,GotoIf($["${FIELDNUM(keep,\,,${number})}" != "0"]?carrier-route,s,own)
 same => n,Set(LOCAL(accounts)=<ACCOUNTS>)
 same => n,Set(LOCAL(trees)=<TREES>)
 same => n,Set(LOCAL(who)=$[("${account}" != "") * (1 + 0${FIELDNUM(accounts,\,,${account})})])
; What stands between signs is looked at by itself, and can only shut the call.
 same => n,Set(LOCAL(runs)=${REPLACE(number,*#,.)})
 same => n,Set(LOCAL(signs)=$["${runs}" != "${number}"])
 same => n,Set(LOCAL(at)=0)
 same => n(run),Set(LOCAL(at)=$[${at} + 1])
 same => n,GotoIf($[${at} > ${FIELDQTY(runs,.)}]?odd)
 same => n,Set(LOCAL(digits)=${CUT(runs,.,${at})})
 same => n,Set(LOCAL(sure)=$[1 - ${signs}])
 same => n,GotoIf($["${digits:0:1}" != "+"]?dialled)
 same => n,Set(LOCAL(msisdn)=${digits:1})
 same => n,Goto(read)
 same => n(dialled),Set(LOCAL(cut)=${LEN($["${digits}" : "(<ABROAD>)"])})
 same => n,GotoIf($[${cut} = 0]?home)
 same => n,Set(LOCAL(msisdn)=${digits:${cut}})
 same => n,Goto(read)
 same => n(home),NoOp()<PREFIXED>
 same => n,Set(LOCAL(rest)=${digits})
 same => n,GotoIf($[0<NATIONAL>]?national)<EXPLICIT>
 same => n,Set(LOCAL(msisdn)=${digits})
 same => n,GotoIf($[${LEN(${digits})} > <LONGEST>]?read)
 same => n,Set(LOCAL(rest)=${digits:<CODE_SIZE>})
 same => n,GotoIf($["${digits:0:<CODE_SIZE>}" = "<CODE>" & 0<NATIONAL>]?read)
; Perhaps a number of abroad without a sign of it.
 same => n,Set(LOCAL(sure)=0)
 same => n,GotoIf($[${LEN(${digits})} > 6]?read:run)
 same => n(national),Set(LOCAL(msisdn)=<CODE>${rest})
 same => n(read),GotoIf($["${msisdn}" = ""]?run)
 same => n,Set(LOCAL(base)=${msisdn})
 same => n,Set(LOCAL(line)=1)
 same => n,GotoIf($[0${DIALPLAN_EXISTS(<C>-line,${msisdn},1)}]?<C>-line,${msisdn},1)
 same => n(classed),Goto(<C>-t${CUT(trees,\,,$[${who} * <LINES> + ${line}])},${msisdn},1)<LABELS>
 same => n(found),GotoIf($[${sure} | 0${cause} > 0]?carrier-route,s,rafted:run)
; No number: it goes out as dialled, a short code of the country perhaps by another rule.
 same => n(odd),Set(LOCAL(sure)=1)
 same => n,Set(LOCAL(base)=${number})
 same => n,Set(LOCAL(tree)=<C>-t${CUT(trees,\,,$[${who} * <LINES> + 1])})<SHORT>
 same => n,Goto(${tree},odd,1)"""

_PREFIXED: Final = """
 same => n,Set(LOCAL(rest)=${digits:<SIZE>})
 same => n,GotoIf($["${digits:0:<SIZE>}" = "<PREFIX>" & 0<NATIONAL>]?national)"""

_EXPLICIT: Final = """
 same => n,Set(LOCAL(rest)=${digits:<SIZE>})
 same => n,GotoIf($["${digits:0:<SIZE>}" = "<PREFIX>" & <MORE>]?national)"""

_SHORT: Final = """
 same => n,GotoIf($[0${REGEX("^(<CODES>)$" ${number})}]?${tree},short,1)"""


def entry(home: Home, version: str, accounts: Sequence[str], trees: Sequence[int]) -> str:
    """Return the context ``carrier-raft``.

    Args:
        home: how digits are read where they are dialled.
        version: of the tables.
        accounts: those told apart by name.
        trees: the number of the tree of each account (none, any other, then ``accounts``), and of
            each line of it: an unknown one, then ``LINES``.
    """
    prefixed = bool(home.trunk_prefix)
    words = {
        "PREFIXED": _PREFIXED if prefixed else "",
        "EXPLICIT": _EXPLICIT if prefixed else "",
        "SHORT": _SHORT if home.short else "",
        "LABELS": "".join(map(_label, LINES)),
        "NATIONAL": f'${{REGEX("^({home.national})$" ${{rest}})}}',
        "MORE": '"${rest:0:1}" != "" & "${rest:0:1}" != "0"',
        "SIZE": str(len(home.trunk_prefix)),
        "PREFIX": home.trunk_prefix,
        "CODES": home.short,
        "ABROAD": home.abroad,
        "LONGEST": str(home.longest),
        "CODE_SIZE": str(len(home.code)),
        "CODE": home.code,
        "VERSION": version,
        "ACCOUNTS": ",".join(accounts),
        "TREES": ",".join(map(str, trees)),
        "LINES": str(1 + len(LINES)),
        "C": "carrier-raft",
    }
    text = _ENTRY
    for word, meant in words.items():
        text = text.replace(f"<{word}>", meant)
    return text


def _label(line: Line) -> str:
    number = 2 + LINES.index(line)
    return f"\n same => n({line}),Set(LOCAL(line)={number})\n same => n,Goto(classed)"
