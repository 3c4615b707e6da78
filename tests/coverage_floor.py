"""Judge the coverage of a whole run: 95 % of statements and 90 % of branches, apart."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

FLOORS = {"statements": 95.0, "branches": 90.0}


def main() -> int:
    """Print both shares; return 1 if one is below its floor."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "coverage.json"
        subprocess.run(
            [sys.executable, "-m", "coverage", "json", "-q", "-o", str(path)], check=True
        )
        totals = json.loads(path.read_text())["totals"]
    shares = {
        "statements": 100 * totals["covered_lines"] / totals["num_statements"],
        "branches": 100 * totals["covered_branches"] / totals["num_branches"],
    }
    low = False
    for name, share in shares.items():
        low |= share < FLOORS[name]
        print(f"{name}: {share:.1f} % covered, {FLOORS[name]:.0f} % wanted")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
