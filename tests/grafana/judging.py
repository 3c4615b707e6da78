"""Have ``promtool test rules`` judge series over time by both files of rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.grafana.prometheus import RULES, promtool


def judged(directory: Path, test: Mapping[str, Any], step: str = "30s") -> None:
    """Have promtool run one test with both files of rules."""
    path = directory / "test.json"
    rules = [str(path) for path in sorted(RULES.glob("*.yml"))]
    path.write_text(
        json.dumps(
            {
                "rule_files": rules,
                "evaluation_interval": step,
                "tests": [{"interval": step, **test}],
            }
        )
    )
    done = promtool("test", "rules", str(path))
    assert 0 == done.returncode, done.stdout + done.stderr


def series(found: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"series": name, "values": values} for name, values in found.items()]
