"""``python -m agi`` is the command ``dialdip``."""

from agi.cli import main

main()
