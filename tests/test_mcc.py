"""A network of another country than the number's is not believed."""

import re
import time

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.mcc import _MCCS, plausible
from agi.model import Mccmnc, Msisdn
from agi.plmn import canonical

GB = Msisdn("447700900123")

# Wikipedia, "Mobile country code" (2026), each MCC with the ISO codes of its countries.
_COUNTRIES = """
202GR 204NL 206BE 208FR 212MC 213AD 214ES 216HU 218BA 219HR 220RS 221XK 222IT 226RO 228CH 230CZ
231SK 232AT 234GB 234GG 234IM 234JE 235GB 238DK 240SE 242NO 244FI 246LT 247LV 248EE 250RU 255UA
257BY 259MD 260PL 262DE 266GI 268PT 270LU 272IE 274IS 276AL 278MT 280CY 282GE 283AM 284BG 286TR
288FO 290GL 292SM 293SI 294MK 295LI 297ME 302CA 308PM 310GU 310MP 310US 311GU 311US 312US 313US
314US 315US 316US 330PR 332VI 334MX 338JM 340BL 340GP 340MF 340MQ 342BB 344AG 346KY 348VG 350BM
352GD 354MS 356KN 358LC 360VC 362BQ 362CW 362SX 363AW 364BS 365AI 366DM 368CU 370DO 372HT 374TT
376TC 400AZ 401KZ 402BT 404IN 405IN 406IN 410PK 412AF 413LK 414MM 415LB 416JO 417SY 418IQ 419KW
420SA 421YE 422OM 424AE 425IL 425PS 426BH 427QA 428MN 429NP 430AE 431AE 432IR 434UZ 436TJ 437KG
438TM 440JP 441JP 450KR 452VN 454HK 455MO 456KH 457LA 460CN 461CN 466TW 467KP 470BD 472MV 502MY
505AU 505NF 510ID 514TL 515PH 520TH 525SG 528BN 530NZ 536NR 537PG 539TO 540SB 541VU 542FJ 543WF
544AS 545KI 546NC 547PF 548CK 549WS 550FM 551MH 552PW 553TV 554TK 555NU 602EG 603DZ 604MA 605TN
606LY 607GM 608SN 609MR 610ML 611GN 612CI 613BF 614NE 615TG 616BJ 617MU 618LR 619SL 620GH 621NG
622TD 623CF 624CM 625CV 626ST 627GQ 628GA 629CG 630CD 631AO 632GW 633SC 634SD 635RW 636ET 637SO
638DJ 639KE 640TZ 641UG 642BI 643MZ 645ZM 646MG 647RE 647YT 648ZW 649NA 650MW 651LS 652BW 653SZ
654KM 655ZA 657ER 658SH 659SS 702BZ 704GT 706SV 708HN 710NI 712CR 714PA 716PE 722AR 724BR 730CL
732CO 734VE 736BO 738GY 740EC 742GF 744PY 746SR 748UY 750FK
"""
# ITU-T E.212 Annex E (Operational Bulletin No. 1162): a network of one country used in another.
ABROAD = ("208MC", "228LI", "270BE", "274FO", "542NR")
NO_MCC = {246, 800, 808}
"""Diego Garcia has no MCC of ITU's; free and shared-cost numbers are no country's."""


def phone(region: str) -> Msisdn:
    """Return the beginning of the country's numbers: any tail will do."""
    return Msisdn(f"{phonenumbers.country_code_for_region(region)}0000000")


@pytest.mark.parametrize("pair", [*_COUNTRIES.split(), *ABROAD])
def test_every_assigned_mcc_serves_its_countries(pair: str) -> None:
    assert plausible(Mccmnc(f"{pair[:3]}01"), phone(pair[3:]))


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_every_country_has_a_network(region: str) -> None:
    code = phonenumbers.country_code_for_region(region)
    assert code in NO_MCC or _MCCS[str(code)]


def test_every_calling_code_is_one() -> None:
    known = set(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
    # 379 is reserved for the Vatican (ITU-T E.164), which uses Italy's 39.
    assert known - NO_MCC | {379} == set(map(int, _MCCS))


def test_no_calling_code_begins_another() -> None:
    assert not [(a, b) for a in _MCCS for b in _MCCS if a != b and b.startswith(a)]


@pytest.mark.parametrize(
    ("mccmnc", "msisdn"),
    [
        ("23415", "447700900123"),
        ("23450", "447797700000"),  # Jersey under the United Kingdom's MCC
        ("310260", "14155550100"),
        ("302720", "16045550100"),
        ("310260", "16045550100"),  # +1 does not tell Canada from the United States
        ("338050", "18765550100"),
        ("36251", "17215550100"),  # Sint Maarten left +599 for +1
        ("36251", "5999000000"),
        ("25001", "79161234567"),
        ("40101", "77011234567"),
        ("24205", "4740612345"),
        ("60401", "212661234567"),
        ("64700", "262692000000"),
        ("20801", "262692000000"),
        ("34001", "590690000000"),
        ("34001", "596696000000"),
        ("74204", "594694000000"),
        ("50510", "672322222"),
        ("42505", "970599000000"),
        ("22101", "38344000000"),
        ("21201", "38344000000"),
        ("405854", "919812345678"),
        ("441200", "819012345678"),
        ("90103", "881612345678"),
        ("90105", "8821612345678"),
        ("90111", "870773000000"),
    ],
)
def test_a8_a_network_of_the_numbers_country_is_plausible(mccmnc: str, msisdn: str) -> None:
    assert plausible(Mccmnc(mccmnc), Msisdn(msisdn))


@pytest.mark.parametrize(
    ("mccmnc", "msisdn"),
    [
        ("24205", "447700900123"),
        ("310260", "447700900123"),
        ("23415", "14155550100"),
        ("25001", "380501234567"),
        ("25501", "48501234567"),
        ("60401", "213661234567"),
        ("21401", "351911234567"),
        ("90128", "447700900123"),
        ("23415", "881612345678"),
        ("90128", "8001234567"),
    ],
)
def test_a8_a_network_of_another_country_is_not(mccmnc: str, msisdn: str) -> None:
    assert not plausible(Mccmnc(mccmnc), Msisdn(msisdn))


@pytest.mark.parametrize(
    "mccmnc",
    [
        *("00101", "001001", "99901", "999999", "90201", "99501", "10001", "86601", "US866"),
        *("", "234", "2341", "2341500", "234-15", "23415\n", " 23415", "2341\uff15"),
        "\u0662\u0663\u0664\u0661\u0665",
    ],
)
def test_a8_test_networks_and_what_is_no_network_are_not(mccmnc: str) -> None:
    assert not plausible(Mccmnc(mccmnc), GB)


@pytest.mark.parametrize(
    ("raw", "msisdn", "mccmnc"),
    [
        ("242005", "4740612345", "24205"),  # LANCK pads Norway's 05
        ("604001", "212661234567", "60401"),  # ENUM sellers pad Morocco's 01
        ("310012", "12125550100", "310012"),  # this zero is real
        ("405854", "919812345678", "405854"),
        ("2133", "376312345", "21303"),  # integers have lost Andorra's zero
    ],
)
def test_a8_zeros_more_or_less_do_not_change_the_country(
    raw: str, msisdn: str, mccmnc: str
) -> None:
    network = canonical(raw)
    assert network is not None
    assert mccmnc == network.mccmnc
    assert plausible(network.mccmnc, Msisdn(msisdn))


def test_an_mcc_that_is_not_listed_proves_nothing() -> None:
    assert plausible(Mccmnc("29901"), GB)
    assert plausible(Mccmnc("79901"), Msisdn("14155550100"))


def test_a_calling_code_that_is_not_listed_proves_nothing() -> None:
    assert plausible(Mccmnc("23415"), Msisdn("2463812345"))
    assert not plausible(Mccmnc("90101"), Msisdn("2463812345"))


@given(st.text(max_size=8), st.from_regex(re.compile(r"[0-9]{1,15}", re.ASCII), fullmatch=True))
def test_whatever_a_provider_says_is_judged(mccmnc: str, msisdn: str) -> None:
    if plausible(Mccmnc(mccmnc), Msisdn(msisdn)):
        assert canonical(mccmnc) is not None


def test_a_judgement_costs_a_microsecond_or_so() -> None:
    start = time.process_time()
    for _ in range(10_000):
        plausible(Mccmnc("23415"), GB)
    assert time.process_time() - start < 0.5
