"""One healthy Asterisk, and what the doctor says when a single thing in it is wrong."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from agi.doctor.checkup import check
from agi.doctor.findings import Finding, Severity
from agi.doctor.site import Ours
from agi.routing.trunk import Trunk

DIALPLAN = Path(__file__).parents[2] / "dialplan"
ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


def trunk(name: str, tech: str = "PJSIP", *, enabled: bool = True) -> Trunk:
    return Trunk(name=name, endpoint=name, tech=tech, ring_s=60, enabled=enabled)


OURS = Ours(
    listen="127.0.0.1:4573",
    deadline_ms=800,
    emergency=("112", "999"),
    trunks=(trunk("gw1"), trunk("gw2"), trunk("gone", enabled=False)),
    ami_users=(("dialdip", 5038),),
    shipped=(DIALPLAN / "extensions_carrier.conf").read_text(),
)
MANAGER = """[general]
enabled = yes
bindaddr = 127.0.0.1
timestampevents = yes
#include manager_carrier.conf
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """Return the shipped samples as an Asterisk would have them, each in its place."""
    shutil.copy(DIALPLAN / "extensions_carrier.conf", tmp_path)
    shutil.copy(DIALPLAN / "extensions_sample.conf", tmp_path / "extensions.conf")
    shutil.copy(DIALPLAN / "pjsip_carrier.conf", tmp_path / "pjsip.conf")
    secret = (DIALPLAN / "manager_carrier.conf").read_text()
    (tmp_path / "manager_carrier.conf").write_text(secret.replace("CHANGE-ME", "0f2d" * 12))
    (tmp_path / "manager.conf").write_text(MANAGER)
    (tmp_path / "modules.conf").write_text("[modules]\nautoload=yes\nnoload => chan_sip.so\n")
    return tmp_path


def change(etc: Path, name: str, old: str, new: str) -> None:
    text = (etc / name).read_text()
    assert old in text
    (etc / name).write_text(text.replace(old, new, 1))


def add(etc: Path, name: str, text: str) -> None:
    with (etc / name).open("a") as file:
        file.write(text)


def one(etc: Path, ours: Ours = OURS) -> Finding:
    """Return the only thing that hurts."""
    hurting = [finding for finding in check(etc, ours) if finding.hurts]
    assert 1 == len(hurting), hurting
    return hurting[0]


def line_of(etc: Path, name: str, text: str) -> int:
    lines = (etc / name).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_the_shipped_samples_are_healthy(etc: Path) -> None:
    assert [] == check(etc, OURS)


def test_an_empty_directory_is_told_what_is_missing(tmp_path: Path) -> None:
    files = {Path(finding.file).name for finding in check(tmp_path, OURS) if finding.hurts}
    assert {"extensions.conf", "manager.conf", "pjsip.conf"} == files


@pytest.mark.parametrize("name", ["extensions_sample.conf", "extensions_custom_freepbx.conf"])
def test_our_own_samples_hold_nothing_that_hurts_by_itself(etc: Path, name: str) -> None:
    extra = "[globals]\nCARRIER_AGI=agi://127.0.0.1\nCARRIER_DEFAULT_TRUNKS=PJSIP/gw1\n"
    custom = (DIALPLAN / name).read_text()
    both = custom if "sample" in name else extra + custom
    (etc / "extensions.conf").write_text(both)
    assert [] == check(etc, OURS)


@pytest.mark.parametrize("pattern", ["_.", "_!", "_[a-zA-Z0-9]!", "_[!-~]!"])
def test_a_pattern_that_matches_h_and_reaches_us_is_an_error_at_its_line(
    etc: Path, pattern: str
) -> None:
    text = f"[wild]\nexten => {pattern},1,Gosub(carrier-route,s,1(${{EXTEN}}))\n"
    add(etc, "extensions.conf", text)
    found = one(etc)
    assert line_of(etc, "extensions.conf", f"exten => {pattern},") == found.line
    assert (ERROR, True) == (found.severity, "also matches h" in found.what)


def test_such_a_pattern_is_found_behind_jumps_too(etc: Path) -> None:
    text = """[wild]
exten => _.,1,NoOp()
 same => n,GotoIf($[1]?deeper,s,1)
[deeper]
exten => s,1,Gosub(carrier-route,s,1(${ARG1}))
"""
    add(etc, "extensions.conf", text)
    assert "_. also matches" in one(etc).what


def test_a_wild_pattern_that_does_not_reach_us_is_none_of_our_business(etc: Path) -> None:
    text = """[wild]
exten => _.,1,NoOp()
 same => n,Goto(carrier-outbound,${EXTEN},1)
[hung]
exten => _.,1,Playback(x)
exten => _.,2,Goto(${CONTEXT},s,1)
"""
    add(etc, "extensions.conf", text)
    assert [] == check(etc, OURS)


def test_a_pattern_that_takes_half_a_number_is_a_note(etc: Path) -> None:
    add(etc, "extensions.conf", "[o]\nexten => _X!,1,Gosub(carrier-route,s,1(${EXTEN}))\n")
    assert [NOTE] == [finding.severity for finding in check(etc, OURS)]


@pytest.mark.parametrize(
    ("name", "old", "new", "severity", "said"),
    [
        ("extensions.conf", "=agi://127.0.0.1:4573\n", "=\n", ERROR, "nobody is asked"),
        ("extensions.conf", "127.0.0.1:4573\n", "localhost\n", ERROR, "is a name"),
        ("extensions.conf", "agi://127.0.0.1:4573\n", "hagi://10.0.0.1\n", ERROR, "the form"),
        ("extensions.conf", "127.0.0.1:4573\n", "127.0.0.1:4574\n", ERROR, "has this port"),
        ("extensions.conf", "127.0.0.1:4573\n", "127.0.0.1:1,agi://10.0.0.1\n", ERROR, "this host"),
        (
            *("extensions.conf", "127.0.0.1:4573\n"),
            *("127.0.0.1,agi://10.0.0.1,agi://10.0.0.2\n", WARNING, "a third host"),
        ),
        ("extensions.conf", "GUARD=1.0", "GUARD=0.8", ERROR, "after 800 ms"),
        ("extensions.conf", "GUARD=1.0", "GUARD=500ms", WARNING, "1.0 is used"),
        ("extensions.conf", "TRUNKS=PJSIP/gw1,PJSIP/gw2", "TRUNKS=", ERROR, "cause 34"),
        ("extensions.conf", "TRUNKS=PJSIP/gw1", "TRUNKS=gw1", ERROR, "item 1 is not TECH"),
        ("extensions.conf", "TRUNKS=PJSIP/gw1", "TRUNKS=pjsip/gw1", ERROR, "these letters"),
        ("extensions.conf", "TRUNKS=PJSIP/gw1", "TRUNKS=PJSIP/gw3", ERROR, "no such endpoint"),
        ("extensions.conf", "TRUNKS=PJSIP/gw1", "TRUNKS=Local/none", ERROR, "no such context"),
        ("extensions.conf", "TRUNKS=PJSIP/gw1", "TRUNKS=IAX2/none", ERROR, "no such peer"),
        ("extensions.conf", "GUARD=1.0", "CONTEXT=gone", ERROR, "no context [gone]"),
        ("extensions.conf", "GUARD=1.0", "CONTEXT=carrier-out", ERROR, "passed over"),
        ("extensions.conf", "GUARD=1.0", "EMERGENCY=999", WARNING, "112 is an emergency"),
        ("extensions.conf", "#include extensions_carrier.conf", "", ERROR, "#include"),
        ("extensions_carrier.conf", "Hangup(${cause})", "Hangup()", WARNING, "not the file of"),
        ("manager.conf", "enabled = yes", "enabled = no", WARNING, "AMI is off"),
        ("manager.conf", "bindaddr = 127.0.0.1", "", WARNING, "without bindaddr"),
        ("manager.conf", "= 127.0.0.1", "= 0.0.0.0", WARNING, "bindaddr is every"),
        ("manager.conf", "= 127.0.0.1", "= [::]", WARNING, "bindaddr is every"),
        ("manager.conf", "enabled", "port = 5039\nenabled", WARNING, "port 5039"),
        ("manager.conf", "#include manager_carrier.conf", "", WARNING, "no user [dialdip]"),
        ("manager_carrier.conf", "0f2d" * 12, "AMP111", ERROR, "everybody tries"),
        ("manager_carrier.conf", "0f2d" * 12, "dialdip", ERROR, "everybody tries"),
        ("manager_carrier.conf", "0f2d" * 12, "k3jx9q", WARNING, "shorter than"),
        ("manager_carrier.conf", "deny = ", "; deny = ", WARNING, "from anywhere"),
        ("manager_carrier.conf", "permit = 127.0.0.1/255.255.255.255", "", WARNING, "anywhere"),
        ("manager_carrier.conf", "= 127.0.0.1/255", "= 0.0.0.0/0\nx=1/2", WARNING, "anywhere"),
        ("manager_carrier.conf", "read = call,user,system", "read = call", WARNING, "system, user"),
        ("manager_carrier.conf", "read = call,user,system", "read = all", WARNING, "hundreds"),
        ("manager_carrier.conf", "write = r", "write = system,originate,r", WARNING, "a shell"),
        ("manager_carrier.conf", "write = reporting", "", WARNING, "may not list channels"),
        ("manager_carrier.conf", "(DialBegin|", "(", WARNING, "lets no DialBegin through"),
        ("manager_carrier.conf", "UserEvent: CarrierAttempt", "X: Y", WARNING, "no CarrierAttempt"),
        ("pjsip.conf", "qualify_frequency = 30", "", WARNING, "32 s"),
        ("pjsip.conf", "[gw2](carrier-trunk)", "[gw3](carrier-trunk)", ERROR, "trunk gw2 of our"),
        ("pjsip.conf", "aors = gw2", "", ERROR, "no aor"),
        ("pjsip.conf", "context = from-carrier", "context = carrier-out", ERROR, "dial out"),
        ("modules.conf", "chan_sip", "res_agi", ERROR, "res_agi is not loaded"),
        ("modules.conf", "chan_sip.so", "res_pjsip_header_funcs", ERROR, "header_funcs is not"),
        ("modules.conf", "chan_sip.so", "res_manager_devicestate", WARNING, "can be reached"),
    ],
)
def test_what_hurts_is_named_in_its_file_with_what_to_do(  # noqa: PLR0917 - a table's columns
    etc: Path, name: str, old: str, new: str, severity: Severity, said: str
) -> None:
    change(etc, name, old, new)
    hurting = [finding for finding in check(etc, OURS) if said in finding.what]
    assert severity in {finding.severity for finding in hurting}, check(etc, OURS)
    assert all(": " in str(finding) for finding in hurting)


def test_a_classic_script_is_no_address(etc: Path) -> None:
    change(etc, "extensions.conf", "agi://127.0.0.1:4573\n", "carrier-route.agi\n")
    assert [] == check(etc, OURS)


def test_a_port_that_is_free_to_choose_is_not_compared(etc: Path) -> None:
    assert [] == check(etc, replace(OURS, listen="127.0.0.1:0"))


def test_asterisk_and_dialdip_on_two_hosts_compare_ports_only(etc: Path) -> None:
    change(etc, "extensions.conf", "127.0.0.1:4573\n", "[fd00::7]:4573/route/\n")
    assert [] == check(etc, replace(OURS, listen="[fd00::7]:4573"))


def test_a_context_without_h_is_a_note(etc: Path) -> None:
    change(etc, "extensions.conf", "CARRIER_GUARD=1.0", "CARRIER_CONTEXT=carriers")
    add(etc, "extensions.conf", "[carriers]\nexten => T,1,Hangup()\n")
    assert [NOTE] == [finding.severity for finding in check(etc, OURS)]


def test_an_ami_that_is_off_and_not_wanted_is_well(etc: Path) -> None:
    (etc / "manager.conf").unlink()
    assert [] == check(etc, replace(OURS, ami_users=()))


def test_an_ami_user_limited_by_a_named_acl_is_well(etc: Path) -> None:
    text = "[other]\nsecret = 3f9c2d77aa10b4e8\nacl = office\n[nobody]\nread = all\n"
    add(etc, "manager.conf", text)
    change(etc, "manager.conf", "= 127.0.0.1", "= ami.example.net")
    assert [] == check(etc, OURS)


def test_a_guard_that_is_not_set_is_one_second(etc: Path) -> None:
    change(etc, "extensions.conf", "CARRIER_GUARD=1.0", "")
    assert [] == check(etc, OURS)
    assert "after 1000 ms" in one(etc, replace(OURS, deadline_ms=1000)).what


def test_an_emergency_number_that_a_prefix_would_change_is_an_error(etc: Path) -> None:
    change(etc, "extensions.conf", "PJSIP/gw2", "PJSIP/gw2:1:00")
    found = one(etc, replace(OURS, emergency=("110",)))
    assert (ERROR, True) == (found.severity, "110 is an emergency" in found.what)


def test_an_emergency_number_without_a_pattern_is_an_error(etc: Path) -> None:
    text = (etc / "extensions.conf").read_text()
    (etc / "extensions.conf").write_text(
        text.replace("_[0-9*#+].", "_[0-9+]XXXX.").replace("_X.", "_XXXXX.")
    )
    said = [finding.what for finding in check(etc, OURS)]
    assert 2 == sum("pattern for the emergency number" in what for what in said)


def test_a_line_added_to_our_contexts_is_an_error_at_that_line(etc: Path) -> None:
    add(etc, "extensions.conf", "[carrier-dial]\nexten => h,1,NoOp()\n")
    found = one(etc)
    assert line_of(etc, "extensions.conf", "exten => h,1,NoOp()") == found.line
    assert "overwrites ours (h)" in found.what


def test_our_file_included_twice_is_an_error(etc: Path) -> None:
    add(etc, "extensions.conf", "#include extensions_carrier.conf\n")
    assert "included twice" in one(etc).what


def test_another_comment_in_our_file_is_no_other_version(etc: Path) -> None:
    add(etc, "extensions_carrier.conf", "\n; a remark of the site\n\n")
    assert [] == check(etc, OURS)


@pytest.mark.parametrize(
    ("steps", "severity", "said"),
    [
        ("AGI(agi://127.0.0.1:4573/route?n=${EXTEN})", ERROR, "it lacks TIMEOUT(absolute)"),
        ("AGI(${CARRIER_AGI}/route?n=1)", ERROR, "a test of CARRIER_COMMIT"),
        ("Goto(carrier-route,s,1)", ERROR, "use Gosub"),
        ("Dial(PJSIP/${CALLERID(num)}@gw1)", WARNING, "what a caller wrote"),
        ("Dial(PJSIP/${PJSIP_HEADER(read,X-To)}@gw1,30)", WARNING, "what a caller wrote"),
        ("Dial(PJSIP/${EXTEN}@gw1,30)", NOTE, "README-SERIOUSLY"),
    ],
)
def test_a_step_that_hurts_is_named(etc: Path, steps: str, severity: Severity, said: str) -> None:
    add(etc, "extensions.conf", f"[own]\nexten => _X.,1,{steps}\n")
    found = [finding for finding in check(etc, OURS) if said in finding.what]
    assert [severity] == [finding.severity for finding in found]
    assert line_of(etc, "extensions.conf", steps) == found[0].line


def test_agi_by_hand_with_the_whole_guard_is_a_note(etc: Path) -> None:
    text = """[own]
exten => _X.,1,Set(AGIEXITONHANGUP=yes)
 same => n,Set(TIMEOUT(absolute)=1.0)
 same => n,AGI(agi://127.0.0.1:4573/route?n=${EXTEN})
 same => n(chk),Set(TIMEOUT(absolute)=0)
 same => n,GotoIf($["${CARRIER_COMMIT}" = "${UNIQUEID}"]?done)
 same => n(done),Hangup()
exten => T,1,Goto(chk)
"""
    add(etc, "extensions.conf", text)
    assert [NOTE] == [finding.severity for finding in check(etc, OURS)]


@pytest.mark.parametrize(("ending", "hurts"), [("", 1), ("exten => T,1,Hangup()\n", 0)])
def test_a_sites_own_timer_around_us_needs_a_t(etc: Path, ending: str, hurts: int) -> None:
    text = """[own]
exten => _X.,1,Set(TIMEOUT(absolute)=3600)
 same => n,Gosub(carrier-route,s,1(${EXTEN}))
"""
    add(etc, "extensions.conf", text + ending)
    found = check(etc, OURS)
    assert hurts == len(found)
    assert all("no T extension" in finding.what for finding in found)


def test_strangers_let_into_a_context_that_dials_out_are_an_error(etc: Path) -> None:
    text = """[anonymous]
type=endpoint
context=carrier-outbound
[peer]
type=endpoint
context=carrier-outbound
allow_overlap=yes
[peer]
type=identify
endpoint=peer
match=0.0.0.0/0
"""
    add(etc, "pjsip.conf", text)
    said = check(etc, OURS)
    assert 2 == sum("lets strangers" in finding.what for finding in said if finding.hurts)
    assert [NOTE] == [finding.severity for finding in said if "allow_overlap" in finding.what]


def test_phones_may_dial_out_and_need_no_watching(etc: Path) -> None:
    add(etc, "pjsip.conf", "[101]\ntype=endpoint\ncontext=carrier-outbound\naors=101\n")
    assert [] == check(etc, OURS)


def test_endpoints_of_the_wizard_count(etc: Path) -> None:
    (etc / "pjsip.conf").write_text("")
    (etc / "pjsip_wizard.conf").write_text(
        "[t](!)\ntype=wizard\naor/qualify_frequency=30\nendpoint/context=from-carrier\n"
        "[gw1](t)\nremote_hosts=192.0.2.1\n[gw2](t)\naor/qualify_frequency=0\n"
    )
    found = one(etc)
    assert ("[gw2] is not watched" in found.what, 7) == (True, found.line)


def test_endpoints_in_a_database_are_only_noted(etc: Path) -> None:
    (etc / "pjsip.conf").write_text("")
    (etc / "extconfig.conf").write_text("[settings]\nps_endpoints => odbc,asterisk\n")
    assert [NOTE, NOTE] == [finding.severity for finding in check(etc, OURS)]


def test_chan_sip_and_iax2_trunks_are_sought_in_their_files(etc: Path) -> None:
    (etc / "sip.conf").write_text("[general]\n[old]\ntype=peer\n")
    trunks = (trunk("old", "SIP"), trunk("none", "SIP"), trunk("dahdi-1", "DAHDI"))
    assert "SIP/none" in one(etc, replace(OURS, trunks=trunks)).what


def test_without_autoload_every_module_has_to_be_named(etc: Path) -> None:
    (etc / "modules.conf").write_text("[modules]\nautoload=no\nload=res_agi.so\nrequire=app_dial\n")
    missing = [f.what.split()[0] for f in check(etc, OURS) if "load = " in f.what]
    assert {"app_stack", "func_timeout", "chan_pjsip"} <= set(missing)
    assert set() == {"res_agi", "app_dial"} & set(missing)


def test_live_dangerously_is_a_warning(etc: Path) -> None:
    (etc / "asterisk.conf").write_text("[options]\nlive_dangerously = yes\n")
    assert (WARNING, 2) == (one(etc).severity, one(etc).line)


def test_events_without_their_time_are_a_note(etc: Path) -> None:
    change(etc, "manager.conf", "timestampevents = yes", "")
    (found,) = check(etc, OURS)
    assert (NOTE, True) == (found.severity, "timestampevents = yes" in found.what)


def test_a_user_without_filters_is_a_note(etc: Path) -> None:
    text = (etc / "manager_carrier.conf").read_text()
    (etc / "manager_carrier.conf").write_text(text.replace("\neventfilter", "\n; eventfilter"))
    (found,) = check(etc, OURS)
    assert (NOTE, True) == (found.severity, "without eventfilter" in found.what)


def test_the_form_of_filters_that_asterisk_22_has_is_understood(etc: Path) -> None:
    text = (etc / "manager_carrier.conf").read_text().replace("\neventfilter", "\n; eventfilter")
    for name in ("DialBegin", "DialState", "DialEnd", "Hangup"):
        text += f"eventfilter(action(include),name({name})) =\n"
    ours = "eventfilter(action(include),name(UserEvent),header(UserEvent),method(exact))"
    (etc / "manager_carrier.conf").write_text(f"{text}{ours} = CarrierAttempt\n")
    assert [] == check(etc, OURS)
    (etc / "manager_carrier.conf").write_text(text)
    assert "no CarrierAttempt through" in one(etc).what


def test_filters_that_only_take_away_let_the_rest_through(etc: Path) -> None:
    text = (etc / "manager_carrier.conf").read_text().replace("\neventfilter", "\n; eventfilter")
    for line in ("eventfilter = !Event: RTCP", "eventfilter(action(exclude),name(VarSet)) ="):
        text += f"{line}\n"
    (etc / "manager_carrier.conf").write_text(text)
    assert [] == check(etc, OURS)


def test_a_host_whose_own_name_does_not_resolve_is_named(etc: Path) -> None:
    """Asterisk seeks its address by it for each call: 5 s (measured on 22.10)."""
    found = one(etc, replace(OURS, unresolved="pbx9"))
    assert (WARNING, "/etc/hosts") == (found.severity, found.file)
    assert "pbx9" in found.what
    media = "media_address = 192.0.2.1\nbind_rtp_to_media_address = yes\ndirect_media = no"
    change(etc, "pjsip.conf", "direct_media = no", media)
    assert [] == check(etc, replace(OURS, unresolved="pbx9"))


def test_neither_a_secret_nor_a_caller_is_ever_shown(etc: Path) -> None:
    change(etc, "manager_carrier.conf", "0f2d" * 12, "k3jx9q")
    assert "k3jx9q" not in "".join(map(str, check(etc, OURS)))


FREEPBX = {
    "extensions.conf": """#include extensions_override_freepbx.conf
#include extensions_additional.conf
#include extensions_custom.conf
[globals]
#include globals_custom.conf
""",
    "extensions_override_freepbx.conf": "",
    "globals_custom.conf": """CARRIER_AGI=agi://127.0.0.1:4573
CARRIER_DEFAULT_TRUNKS=PJSIP/gw1,PJSIP/gw2
""",
    "extensions_additional.conf": """[globals]
#include globals_custom.conf
OUT_1 = AMP:Local/$OUTNUM$@carrier-freepbx/n
[from-internal]
include => from-internal-custom
include => outbound-allroutes
exten => h,1,Macro(hangupcall)
[from-internal](+)
exten => _.,hint,SIP/${EXTEN}
[outbound-allroutes]
include => outbound-allroutes-custom
exten => _0.,1,Macro(user-callerid,LIMIT,EXTERNAL,)
 same => n,Macro(dialout-trunk,1,${EXTEN},,off)
[macro-dialout-trunk]
exten => s,1,Set(DIAL_TRUNK=${ARG1})
exten => s,n,Dial(${OUT_${DIAL_TRUNK}}/${OUTNUM}${OUT_SUFFIX},${TRUNK_RING_TIMER},${DIAL_OPTIONS})
exten => s,n(cid),Set(CALLERID(num)=${IF($["${X}"="1"]?${A}:${B})})
exten => h,1,Macro(hangupcall,)
[from-pstn]
include => from-pstn-custom
exten => _.,1,Set(__FROM_DID=${EXTEN})
exten => _.,n,Goto(ivr-1,s,1)
[ext-did-catchall]
exten => _.,1,Noop(Catch-All DID Match - Found ${EXTEN} - You probably want a DID for this.)
exten => _.,n,Goto(s,a2)
exten => s,1(a2),AGI(sangomaconnect.php)
[bad-number]
exten => _X.,1,Macro(outisbusy)
exten => _*.,1,Macro(outisbusy)
[app-blackhole]
exten => _[a-zA-Z0-9].,1,Dial(Local/${EXTEN}@from-internal/n)
""",
}


def test_a_freepbx_with_its_many_includes_makes_no_noise(etc: Path) -> None:
    for name, text in FREEPBX.items():
        (etc / name).write_text(text)
    shutil.copy(DIALPLAN / "extensions_custom_freepbx.conf", etc / "extensions_custom.conf")
    assert [(NOTE, 31)] == [(finding.severity, finding.line) for finding in check(etc, OURS)]
