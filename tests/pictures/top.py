"""Draw docs/top.svg: the screen of ``dialdip top`` at a moment with troubles.

Usage: python -m tests.pictures.top
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from agi.overview import overview
from agi.views_top import picture
from tests.scenes import made

TARGET = Path(__file__).parent.parent.parent / "docs" / "top.svg"

# The fonts that are there will do: a picture in a document fetches nothing.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace(
    "Fira Code", "DejaVu Sans Mono"
)


def drawn() -> str:
    """Return the picture, the same each time."""
    console = Console(width=80, height=24, record=True, file=io.StringIO(), force_terminal=True)
    moment = made(
        86_460 * 3, level=1, level_why="provider lanck answers nothing: 37 of 40 lookups failed"
    )
    console.print(picture(overview(moment), overview(made(86_460 * 3 - 60))))
    svg = console.export_svg(title="dialdip top", code_format=FORMAT, unique_id="top")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


if __name__ == "__main__":
    TARGET.write_text(drawn())
