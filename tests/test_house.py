"""The rules of the house that a program can check: who imports whom, what the core never does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "agi"

# Lowest first: a module imports from its own layer and from lower ones only.
LAYERS = [
    {"errors", "model", "names"},
    {"e164", "plmn", "mcc"},
    {"routing"},
    {"lookup"},
    {"fastagi", "ami"},
    {
        "settings",
        "places",
        "config",
        "log",
        "metrics",
        "scene",
        "sharing",
        "lag",
        "systemd",
        "ipc",
        "shipped",
        "console",
        "exits",
    },
    {
        "lifeline",
        "child",
        "parent",
        "process",
        "tally",
        "wall",
        "lifetime",
        "web",
    },
    {"brownout"},
    {
        "tables",
        "raft",
        "brakes",
        "outlook",
        "gossip",
        "journal",
        "feed",
        "pins",
        "question",
        "explaining",
        "explaining_cells",
    },
    {"accounts", "books", "past", "comparing", "doctor"},
    {"checking"},
    {"router", "dipper", "report", "overview", "desk", "lookup_desk", "asking", "begun"},
    {"noc"},
    {"router_process"},
    {"dipper_process"},
    {"serve", "local"},
    {"demo", "views", "views_tables", "views_explain", "views_top", "views_noc"},
    {"cli", "__main__"},
]
# Doubles must be able to disagree with us; only what starts them may know them.
SANDBOX_MAY_IMPORT = {"sandbox", "errors", "model"}
MAY_IMPORT_SANDBOX = {"sandbox", "demo", "cli"}

ROUTING_WITH_FILES = (
    "files",
    "audit",
    "disk",
    "snapshot",
    "store",
    "stored",
    "verifying",
    "writing",
)
ROUTING_WITH_DATES = ("when", "overlap", "ties")  # calendar arithmetic; nobody asks for today

PURE = [
    *("errors.py", "model.py", "names.py", "e164.py", "plmn.py", "mcc.py"),
    *("fastagi/protocol.py", "fastagi/script.py", "journal/record.py", "overview.py"),
    *("brownout/ladder.py", "brownout/answered.py", "brownout/reached.py"),
    *(
        f"ami/{name}.py"
        for name in ("blocks", "shapes", "reading", "holding", "gap", "pauses", "sink", "seen")
    ),
    *(
        f"ami/{name}.py"
        for name in (
            *("happenings", "causes", "legs", "early", "listed", "hearing", "book"),
            *("reports", "closing", "ledger", "windows", "cells", "kpi"),
        )
    ),
    *(
        str(path.relative_to(PACKAGE))
        for path in sorted((PACKAGE / "routing").rglob("*.py"))
        if path.stem not in ROUTING_WITH_FILES + ROUTING_WITH_DATES
    ),
    *("lookup/provider.py", "lookup/record.py", "lookup/freshness.py", "lookup/failures.py"),
    *("lookup/breaker.py", "lookup/limits.py", "lookup/latency.py", "lookup/trust.py"),
    *("lookup/money.py", "lookup/frames.py"),
    *("lag.py", "noc/carrying.py", "web/catalogue.py", "web/readings.py", "web/exposition.py"),
    *(
        f"lookup/providers/{name}.py"
        for name in ("comcetera", "npl_text", "npl_json", "strict_json", "lanck", "hlrlookup")
    ),
    *("lookup/providers/datasoap.py", "lookup/providers/datasoap_answer.py"),
]
IMPURE = {
    *("asyncio", "socket", "time", "random", "os", "logging", "threading", "subprocess"),
    *("httpx", "structlog", "secrets", "datetime"),
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Yield every imported module, of functions and type-checking blocks too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            base = node.module or ""
            yield base
            if base == "agi":
                yield from (f"agi.{alias.name}" for alias in node.names)


def rooms_imported(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(path) if name.startswith("agi.")}


def layer(name: str) -> int:
    return next(i for i, names in enumerate(LAYERS) if name in names)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    here = room(path)
    for other in rooms_imported(path):
        if here == "sandbox":
            assert other in SANDBOX_MAY_IMPORT, f"{path.name} imports {other}"
        elif other == "sandbox":
            assert here in MAY_IMPORT_SANDBOX, f"{path.name} imports {other}"
        elif here != "__init__":
            assert layer(other) <= layer(here), f"{path.name} imports {other}"


@pytest.mark.parametrize("name", PURE)
def test_the_core_has_no_io_no_clock_and_no_dice(name: str) -> None:
    found = {module.split(".")[0] for module in imports(PACKAGE / name)}
    assert set() == found & IMPURE


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_says_what_it_is_for_and_hides_no_exception(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{path} has no docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{path}:{node.lineno}: a bare except"
            broad = isinstance(node.type, ast.Name) and node.type.id in {
                "Exception",
                "BaseException",
            }
            allowed = path.name == "server.py" and path.parent.name == "fastagi"
            assert not broad or allowed, f"{path}:{node.lineno}: a broad except"


def test_panoramisks_fastagi_is_never_a_server_of_ours() -> None:
    """It freezes its event loop on a bare connect and close."""
    for path in modules():
        assert not any(name.startswith("panoramisk.fast_agi") for name in imports(path))


def test_names_of_rooms_are_ideas() -> None:
    unwelcome = {"utils", "util", "helpers", "common", "misc"}
    assert set() == {path.stem for path in modules()} & unwelcome
