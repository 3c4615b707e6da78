"""A little site whose calls are explained: tables with a reason for every way to fail."""

from __future__ import annotations

from collections.abc import Mapping

from agi.e164 import NumberingPlan
from agi.routing.compiled import Compiled
from agi.routing.reading.faults import Faults
from agi.routing.reading.files import compile_files, version_of
from agi.routing.table import Table

PLAN = NumberingPlan("GB", ("999",))
ZONE = "Europe/London"
SATURDAY = 1_795_262_400.0  # 2026-11-21 12:00 UTC, and in London

TRUNKS = """trunk,tech,endpoint,number_format,ring_s,cps,enabled
uk-a,PJSIP,gw-a,plus,45,,yes
uk-b,SIP,gw-b,,30,2,yes
uk-c,PJSIP,gw-c,,60,,no
long,PJSIP,gw-long,00,60,,yes
"""
ROUTES = """rule,priority,account,from,mccmnc,prefix,country,line,ported,live,when,action,trunks
emergency,,,,,,,emergency,,,,,uk-b > uk-a
acme,9,acme|zeta,,,,,,,,,,uk-b
site,,,4420|4421,,4479,,,,,,,uk-b
voda,,,,23415,,,,,,,,uk-c > uk-a:7 uk-b:3 > long!
night,,,,,44,,,,,Mon-Fri 20:00-08:00; Sun,,uk-a
dead,,,,,44,,,,dead,,reject:1,
default,,,,,,,,,,,,uk-a > uk-b
"""
POLICY = """prefix,account,mccmnc,line,action,comment
881,,,,deny,satellite
4477,,23410,,deny,a network that is not paid
4478,nodip,,,nodip,no money for these
"""
LIMITS = """account,prefix,level,calls,lookups,half_life_s,comment
,!44,block,15,5,600,abroad
,44,number,30,10,600,at home
"""
SITE: Mapping[str, bytes] = {
    "trunks.csv": TRUNKS.encode(),
    "routes.csv": ROUTES.encode(),
    "policy.csv": POLICY.encode(),
    "limits.csv": LIMITS.encode(),
}


def compiled(contents: Mapping[str, bytes] = SITE, number: int = 1) -> Compiled:
    """Compile files that have no faults."""
    faults, version = Faults(), version_of(contents, ZONE, number)
    found = compile_files(contents, place=str, version=version, timezone=ZONE, faults=faults)
    faults.refuse()
    assert found is not None
    return found


def table(contents: Mapping[str, bytes] = SITE) -> Table:
    """Return the table of files that have no faults."""
    return Table(compiled(contents))
