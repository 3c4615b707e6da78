"""Run one real Asterisk in its chroot: own directories, loopback ports, no privileges."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.asterisk.chroots import Build

REPOSITORY = Path(__file__).parents[2]
DIALPLAN = REPOSITORY / "dialplan"
SITE = Path(__file__).parent / "site"
ACCOUNT = 101  # asterisk:asterisk in Debian's chroots
SIX = ("uk-a", "uk-b", "uk-c", "uk-d", "uk-e", "uk-f")
"""The endpoints of ``tests.asterisk.six``."""

TRUNKS = ("holder", "ported", "fallback", "second", "back", *SIX)
"""PJSIP endpoints that the tests' Asterisk knows; SIPp listens behind each when a test says so."""

ACCOUNTS = {"pbx": "127.0.0.5", "shop": "127.0.0.6", "depot": "127.0.0.7"}
"""Callers with an account code of their own, by the address that they call from."""

MODULES = (
    *("pbx_config", "res_agi", "res_speech", "func_strings", "func_logic", "func_global"),
    *("func_channel", "func_callerid", "func_timeout", "func_cut", "func_base64"),
    *("func_dialplan", "func_cdr", "app_dial", "app_verbose", "app_stack", "app_userevent"),
    *("app_originate", "bridge_simple", "res_clioriginate", "format_pcm", "codec_ulaw"),
    *("chan_bridge_media", "res_timing_timerfd", "res_pjproject", "res_sorcery_config"),
    *("res_sorcery_memory", "res_sorcery_astdb", "res_pjsip", "res_pjsip_pubsub"),
    *("res_pjsip_session", "res_pjsip_sdp_rtp", "res_rtp_asterisk", "res_pjsip_caller_id"),
    *("res_pjsip_diversion", "res_pjsip_endpoint_identifier_ip"),
    *("res_pjsip_outbound_registration", "res_pjsip_rfc3326", "res_pjsip_header_funcs"),
    *("chan_pjsip", "res_manager_devicestate"),
)


def free_port(kind: socket.SocketKind) -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Pbx:
    """A running Asterisk. Directories are seen from outside the chroot."""

    build: Build
    version: str
    home: Path
    ami_port: int
    sip_port: int
    trunk_ports: dict[str, int]

    @property
    def log(self) -> str:
        """Return what Asterisk has logged so far (notices, warnings, errors)."""
        return (self.home / "log" / "messages").read_text(errors="replace")

    @property
    def has_python(self) -> bool:
        """Tell whether the chroot can run the classic AGI script."""
        return (self.build.root / "usr/bin/python3").exists()

    def cpu_s(self) -> float:
        """Return the CPU time that this Asterisk has used, in seconds."""
        pid = int((self.home / "run" / "asterisk.pid").read_text())
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100


def version_of(build: Build) -> str:
    """Return what the binary says of itself, such as ``22.10.1``."""
    said = subprocess.run(
        ["chroot", str(build.root), "asterisk", "-V"], check=True, capture_output=True, text=True
    )
    return said.stdout.split()[1].partition("~")[0].partition("+")[0]


@contextlib.contextmanager
def running(build: Build) -> Iterator[Pbx]:
    """Start Asterisk, wait until it answers on AMI, stop it and remove its directories."""
    inner = Path("/tmp") / f"dialdip-{uuid.uuid4().hex[:12]}"
    home = build.root / inner.relative_to("/")
    pbx = Pbx(
        build,
        version_of(build),
        home,
        free_port(socket.SOCK_STREAM),
        free_port(socket.SOCK_DGRAM),
        {trunk: free_port(socket.SOCK_DGRAM) for trunk in TRUNKS},
    )
    try:
        _write_home(pbx, inner)
        process = _start(build, inner)
        try:
            _await_ami(pbx, process)
            yield pbx
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _start(build: Build, inner: Path) -> subprocess.Popen[bytes]:
    command = ["chroot", f"--userspec={ACCOUNT}:{ACCOUNT}", str(build.root), "/usr/sbin/asterisk"]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(inner / "python")}
    return subprocess.Popen(
        [*command, "-f", "-C", str(inner / "etc" / "asterisk.conf")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )


def _await_ami(pbx: Pbx, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", pbx.ami_port), 1) as ami,
        ):
            ami.settimeout(5)
            ami.sendall(b"Action: Login\r\nUsername: harness\r\nSecret: harness\r\n\r\n")
            heard = b""
            while b"FullyBooted" not in heard:
                part = ami.recv(4096)
                if not part:
                    break
                heard += part
            else:
                return
        time.sleep(0.05)  # a start cannot be waited for by an event: nothing listens yet
    raise RuntimeError(f"Asterisk {pbx.build.name} did not start:\n{pbx.log[-3000:]}")


def _write_home(pbx: Pbx, inner: Path) -> None:
    for name in ("etc", "lib", "db", "keys", "spool", "run", "log", "agi-bin", "python"):
        (pbx.home / name).mkdir(parents=True)
    etc = pbx.home / "etc"
    shutil.copy(DIALPLAN / "extensions_carrier.conf", etc)
    shutil.copy(DIALPLAN / "carrier-route.agi", pbx.home / "agi-bin")
    (pbx.home / "agi-bin" / "carrier-route.agi").chmod(0o755)
    _give_pyst2(pbx.home / "python")
    (etc / "manager_carrier.conf").write_text(_our_manager())
    texts = {
        "asterisk.conf": _asterisk_conf(pbx.build, inner),
        "modules.conf": "[modules]\nautoload=no\n"
        + "".join(f"load={name}.so\n" for name in MODULES),
        "logger.conf": "[logfiles]\nmessages => notice,warning,error\n",
        "rtp.conf": "[general]\nrtpstart=20000\nrtpend=29999\n",
        "cdr.conf": "[general]\nenable=yes\nunanswered=yes\n",
        "manager.conf": _manager_conf(pbx),
        "pjsip.conf": _pjsip_conf(pbx),
    }
    for name, text in texts.items():
        (etc / name).write_text(text)
    for source in SITE.glob("*.conf"):
        shutil.copy(source, etc)
    subprocess.run(["chown", "-R", f"{ACCOUNT}:{ACCOUNT}", str(pbx.home)], check=True)


def _give_pyst2(target: Path) -> None:
    """Copy pyst2 and six, which are plain Python, to where the chroot's python3 looks."""
    for name in ("asterisk", "six"):
        spec = importlib.util.find_spec(name)
        assert spec is not None, name
        assert spec.origin is not None, name
        origin = Path(spec.origin)
        if origin.name == "__init__.py":
            shutil.copytree(origin.parent, target / name)
        else:
            shutil.copy(origin, target)


def _our_manager() -> str:
    """Return the shipped AMI user with the tests' password in it."""
    shipped = (DIALPLAN / "manager_carrier.conf").read_text()
    return shipped.replace("secret = CHANGE-ME", "secret = shipped")


def _asterisk_conf(build: Build, inner: Path) -> str:
    return f"""[directories]
astetcdir => {inner}/etc
astmoddir => {build.modules}
astvarlibdir => {inner}/lib
astdbdir => {inner}/db
astkeydir => {inner}/keys
astdatadir => /usr/share/asterisk
astagidir => {inner}/agi-bin
astspooldir => {inner}/spool
astrundir => {inner}/run
astlogdir => {inner}/log
[options]
nocolor = yes
"""


def _manager_conf(pbx: Pbx) -> str:
    return f"""[general]
enabled = yes
bindaddr = 127.0.0.1
port = {pbx.ami_port}
displayconnects = no
timestampevents = yes
[harness]
secret = harness
read = call,user,system,reporting
write = call,user,system,reporting,originate,command,config
writetimeout = 5000
#include manager_carrier.conf
"""


def _pjsip_conf(pbx: Pbx) -> str:
    """Callers come from 127.0.0.2 (through our dialplan) and .3 (through a naive one).

    From 127.0.0.4 comes what a carrier hands back to us. Media is bound to an address because
    Asterisk else seeks its own by the host's name, and each call waits for a resolver that the
    chroot may not have (``ast_find_ourip``; 5 s each, measured on Asterisk 22.10).
    """
    text = f"""[transport-udp]
type = transport
protocol = udp
bind = 127.0.0.1:{pbx.sip_port}
"""
    for name, address, context in (
        ("caller", "127.0.0.2", "site"),
        ("naive", "127.0.0.3", "naive"),
        ("hairpin", "127.0.0.4", "hairpin"),
    ):
        text += f"""[{name}]
type = endpoint
context = {context}
disallow = all
allow = ulaw
direct_media = no
media_address = 127.0.0.1
bind_rtp_to_media_address = yes
[{name}]
type = identify
endpoint = {name}
match = {address}
"""
    for name, address in ACCOUNTS.items():
        text += f"""[of-{name}]
type = endpoint
context = site
accountcode = {name}
disallow = all
allow = ulaw
direct_media = no
media_address = 127.0.0.1
bind_rtp_to_media_address = yes
[of-{name}]
type = identify
endpoint = of-{name}
match = {address}
"""
    for name, port in pbx.trunk_ports.items():
        text += f"""[{name}]
type = endpoint
context = nowhere
disallow = all
allow = ulaw
direct_media = no
media_address = 127.0.0.1
bind_rtp_to_media_address = yes
aors = {name}
[{name}]
type = aor
contact = sip:127.0.0.1:{port}
"""
    return text
