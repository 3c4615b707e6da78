"""Open CSV files in LibreOffice Calc, type into cells, save them: run by the system's Python.

Reads a list of jobs from standard input and writes what it saw to standard output, both as JSON.
A job: ``source``, ``target``, ``options`` (how to import), ``export`` (how to save), ``typed``
(column, row, text; both counted from 0). The first argument is a directory for the profile.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import uno  # type: ignore[import-not-found]  # only the system's Python has it
from com.sun.star.beans import PropertyValue  # type: ignore[import-not-found]  # as above
from com.sun.star.connection import NoConnectException  # type: ignore[import-not-found]  # as above

FILTER = "Text - txt - csv (StarCalc)"
START_S = 60


def main() -> None:
    profile = Path(sys.argv[1])
    pipe = f"dialdip{os.getpid()}"
    office = subprocess.Popen(
        [
            *("soffice", f"-env:UserInstallation={profile.as_uri()}", "--headless", "--norestore"),
            *("--nologo", "--nodefault", "--nofirststartwizard"),
            f"--accept=pipe,name={pipe};urp;",
        ],
        stdout=subprocess.DEVNULL,
    )
    desktop = connected(pipe)
    found = [done(desktop, job) for job in json.load(sys.stdin)]
    desktop.terminate()
    office.wait(START_S)
    json.dump(found, sys.stdout)


def connected(pipe: str) -> Any:
    local = uno.getComponentContext()
    name = "com.sun.star.bridge.UnoUrlResolver"
    resolver = local.ServiceManager.createInstanceWithContext(name, local)
    until = time.monotonic() + START_S
    while True:
        try:
            there = resolver.resolve(f"uno:pipe,name={pipe};urp;StarOffice.ComponentContext")
        except NoConnectException:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)  # it says nothing when it is ready
        else:
            manager = there.ServiceManager
            return manager.createInstanceWithContext("com.sun.star.frame.Desktop", there)


def done(desktop: Any, job: dict[str, Any]) -> dict[str, Any]:
    filtered = properties(FilterName=FILTER, FilterOptions=job["options"], Hidden=True)
    document = desktop.loadComponentFromURL(Path(job["source"]).as_uri(), "_blank", 0, filtered)
    sheet = document.Sheets.getByIndex(0)
    for column, row, text in job["typed"]:
        sheet.getCellByPosition(column, row).setFormula(text)  # reads the text as it does keys
    found = formulas(sheet)
    saved = properties(FilterName=FILTER, FilterOptions=job["export"], Overwrite=True)
    document.storeToURL(Path(job["target"]).as_uri(), saved)
    document.close(True)
    return {"formulas": found}


def formulas(sheet: Any) -> list[str]:
    """Return the formulas that Calc sees in a sheet."""
    every = 16  # com.sun.star.sheet.CellFlags.FORMULA
    cells = sheet.queryContentCells(every).Cells.createEnumeration()
    found = []
    while cells.hasMoreElements():
        found.append(cells.nextElement().getFormula())
    return found


def properties(**values: object) -> tuple[Any, ...]:
    made = []
    for name, value in values.items():
        one = PropertyValue()
        one.Name, one.Value = name, value
        made.append(one)
    return tuple(made)


main()
