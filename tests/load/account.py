"""A sandbox with an account of one's own: ``account.py SUBSCRIBERS.csv PASSWORD``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from agi.sandbox.providers import Sandbox
from agi.sandbox.subscribers import read_subscribers


async def main() -> None:
    sandbox = Sandbox(
        read_subscribers(Path(sys.argv[1])),
        username="canary",
        password=sys.argv[2],
        connections=8,
        latency_ms=1,
        others="23415",
    )
    host, port = await sandbox.start()
    print(f"sandbox http://{host}:{port}/npl", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
