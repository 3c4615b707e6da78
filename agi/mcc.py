"""Which countries' networks can serve a number: a mobile country code against a calling code.

MCC: ITU-T E.212, list annexed to Operational Bulletin No. 1117. Calling codes: ITU-T E.164. Where
one MCC is used in a second country: E.212 Annex E, in Operational Bulletin No. 1162.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from agi.model import Mccmnc, Msisdn

_NETWORK: Final = re.compile(r"([2-7][0-9]{2}|901)[0-9]{2,3}")
_SHARED: Final = "901"
"""Networks of no country: satellites, ships, planes, machines (ITU-T E.212)."""

_TABLE: Final = """
1: 302 310-316 330 332 338 342 344 346 348 350 352 354 356 358 360 362 364 365 366 370 374 376;
1: 534 535 544;
7: 250 255 289 401;
20: 602; 27: 655; 211: 659; 212: 604; 213: 603; 216: 605; 218: 606;
220: 607; 221: 608; 222: 609; 223: 610; 224: 611; 225: 612; 226: 613; 227: 614; 228: 615; 229: 616;
230: 617; 231: 618; 232: 619; 233: 620; 234: 621; 235: 622; 236: 623; 237: 624; 238: 625; 239: 626;
240: 627; 241: 628; 242: 629; 243: 630; 244: 631; 245: 632; 247: 658; 248: 633; 249: 634;
250: 635; 251: 636; 252: 637; 253: 638; 254: 639; 255: 640; 256: 641; 257: 642; 258: 643;
260: 645; 261: 646; 262: 647 208; 263: 648; 264: 649; 265: 650; 266: 651; 267: 652; 268: 653;
269: 654; 290: 658; 291: 657; 297: 363 362; 298: 288 274; 299: 290;
30: 202; 31: 204; 32: 206 270; 33: 208; 34: 214; 36: 216; 39: 222 225 292;
350: 266; 351: 268; 352: 270; 353: 272; 354: 274; 355: 276; 356: 278; 357: 280; 358: 244; 359: 284;
370: 246; 371: 247; 372: 248; 373: 255 259; 374: 283; 375: 257; 376: 213; 377: 208 212;
378: 222 292; 379: 222 225; 380: 255; 381: 220; 382: 220 297; 383: 212 220 221 293;
385: 219; 386: 293; 387: 218; 389: 294;
40: 226; 41: 228; 43: 232; 44: 234 235; 45: 238; 46: 240; 47: 242; 48: 260; 49: 262;
420: 230; 421: 231; 423: 228 295;
51: 716; 52: 334; 53: 368; 54: 722; 55: 724; 56: 730; 57: 732; 58: 734;
500: 750; 501: 702; 502: 704; 503: 706; 504: 708; 505: 710; 506: 712; 507: 714; 508: 308 208;
509: 372; 590: 340 208; 591: 736; 592: 738; 593: 740; 594: 340 742 208; 595: 744;
596: 340 208; 597: 746; 598: 748; 599: 362 363;
60: 502; 61: 505; 62: 510; 63: 515; 64: 530; 65: 525; 66: 520;
670: 514; 672: 505; 673: 528; 674: 536 542; 675: 537; 676: 539; 677: 540; 678: 541; 679: 542;
680: 552; 681: 543; 682: 548; 683: 555; 685: 549; 686: 545; 687: 546; 688: 553; 689: 547;
690: 554; 691: 550; 692: 551;
81: 440 441; 82: 450; 84: 452; 86: 460 461; 850: 467; 852: 454; 853: 455; 855: 456; 856: 457;
880: 470; 886: 466;
90: 286; 91: 404-406; 92: 410; 93: 412; 94: 413; 95: 414; 98: 432;
960: 472; 961: 415; 962: 416; 963: 417; 964: 418; 965: 419; 966: 420; 967: 421; 968: 422;
970: 423 425; 971: 424 430 431; 972: 425 423; 973: 426; 974: 427; 975: 402; 976: 428; 977: 429;
992: 436; 993: 438; 994: 400; 995: 282 289; 996: 437; 998: 434;
870: 901; 878: 901; 881: 901; 882: 901; 883: 901; 888: 901; 979: 901
"""
"""Calling code: its MCCs.

An MCC too many lets a wrong answer pass, an MCC too few costs a right one, so what is doubtful
stands here. Beyond one country's own:

- E.212 Annex E: 208 in Monaco, 228 in Liechtenstein, 270 in Belgium, 274 in the Faroe Islands, 542
  in Nauru.
- The plan +1 is one for 25 countries; their numbers do not tell which. 534 and 535 (Northern
  Marianas, Guam) are in Android's table, no longer in ITU's.
- France's operators also serve its overseas departments under 208. San Marino and the Vatican
  share Italy's plan; Norfolk Island has a network under Australia's 505.
- Kosovo's numbers were served by networks of Monaco (212) and Slovenia (293) and by Serbia's
  (220), which was Montenegro's too; Transnistria and Crimea by 255, Abkhazia by 289 (Wikipedia,
  "Mobile network codes in ITU region 2xx").
- Palestine's networks are under Israel's 425; 423 is in Android's table only.
"""


def _expanded(codes: str) -> Iterator[str]:
    for part in codes.split():
        first, _, last = part.partition("-")
        yield from map(str, range(int(first), int(last or first) + 1))


def _by_calling_code(table: str) -> dict[str, frozenset[str]]:
    mccs: dict[str, frozenset[str]] = {}
    for row in table.split(";"):
        calling_code, _, codes = row.strip().partition(":")
        mccs[calling_code] = mccs.get(calling_code, frozenset()).union(_expanded(codes))
    return mccs


_MCCS: Final = _by_calling_code(_TABLE)
_LISTED: Final = frozenset().union(*_MCCS.values())


CALLING_CODES: Final = tuple(sorted(_MCCS))
"""Every calling code whose MCCs are listed."""


def calling_code(digits: str) -> str:
    """Return the listed calling code that a number begins with; empty when there is none."""
    # No calling code is the beginning of another (ITU-T E.164), so one length at most is listed.
    for length in (2, 3, 1):
        if digits[:length] in _MCCS:
            return digits[:length]
    return ""


def plausible(mccmnc: Mccmnc, msisdn: Msisdn) -> bool:
    """Say whether a network can be that of a number, by its country.

    Test and private networks (001, 999) and what has not the form of a network are not. An MCC
    or a calling code that is not listed proves nothing, because the lists age: such a network is
    plausible. 901 serves only the calling codes of no country (870, 878, 881-883, 888, 979), and
    these have no other network.
    """
    if _NETWORK.fullmatch(mccmnc) is None:
        return False
    mcc = mccmnc[:3]
    mccs = _MCCS.get(calling_code(msisdn))
    if mccs is not None:
        return mcc in mccs or mcc not in _LISTED
    return mcc != _SHARED
