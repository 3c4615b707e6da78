"""The sandbox as a process of its own.

usage: provider.py SUBSCRIBERS.csv, prints "ready 127.0.0.1:PORT".
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from agi.sandbox.providers import Sandbox
from agi.sandbox.subscribers import read_subscribers


async def main() -> None:
    sandbox = Sandbox(read_subscribers(Path(sys.argv[1])), latency_ms=1)
    print("ready {}:{}".format(*await sandbox.start()), flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
