"""``python -m agi`` is the command ``dialdip``."""

from agi.cli.main import main

main()
