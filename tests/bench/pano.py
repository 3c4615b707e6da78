"""panoramisk's FastAGI application setting four variables, as its own documentation shows it.

usage: pano.py, prints "ready 127.0.0.1:PORT".
"""

from __future__ import annotations

import asyncio

from panoramisk.fast_agi import Application, Request


async def route(request: Request) -> None:
    uniqueid = request.headers["agi_uniqueid"]
    await request.send_command('SET VARIABLE CARRIER_ACTION "route"')
    await request.send_command('SET VARIABLE CARRIER_COUNT "1"')
    await request.send_command('SET VARIABLE CARRIER_TRUNK_1 "gw-a"')
    await request.send_command(f'SET VARIABLE CARRIER_COMMIT "{uniqueid}"')


async def main() -> None:
    application = Application(loop=asyncio.get_running_loop())
    application.add_route("route", route)
    server = await asyncio.start_server(application.handler, "127.0.0.1", 0, backlog=1024)
    print("ready {}:{}".format(*server.sockets[0].getsockname()), flush=True)
    await server.serve_forever()


asyncio.run(main())
