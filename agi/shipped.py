"""Files that travel with the product: sample configuration and tables, dialplan, units."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agi.errors import UsageError

_PACKAGE: Final = Path(__file__).parent

CONFIGURATION: Final = _PACKAGE / "dialdip.toml"
TABLES: Final = _PACKAGE / "routing" / "sample"


def directory(name: str) -> Path:
    """Return where ``dialplan`` or ``systemd`` is: inside the wheel, or beside a checkout."""
    packed = _PACKAGE / "share" / name
    return packed if packed.is_dir() else _PACKAGE.parent / name


def install(source: Path, target: Path, *, force: bool) -> list[Path]:
    """Copy the files of one directory into another, which is made if need be.

    A file that is there with the same content is left alone. Scripts stay executable.

    Raises:
        UsageError: the target cannot be written, or a file differs and ``force`` is not set;
            nothing was written then.
    """
    files = [path for path in sorted(source.iterdir()) if path.is_file()]
    try:
        _make(target)
        differing = [path.name for path in files if _differs(path, target / path.name)]
        if differing and not force:
            names = ", ".join(differing)
            raise UsageError(f"{target}: these differ: {names}; --force replaces them")
        return list(_copies(files, target))
    except OSError as bad:
        raise UsageError(f"{target}: {bad.strerror}") from None


def begin(target: Path) -> list[Path]:
    """Write a sample configuration and its tables into a directory.

    Raises:
        UsageError: there is a configuration already, or the directory cannot be written.
    """
    path = target / "dialdip.toml"
    if path.exists():
        raise UsageError(f"{path} is there already; it is left as it is")
    tables = target / "tables"
    if any((tables / source.name).exists() for source in TABLES.iterdir()):
        raise UsageError(f"{tables} holds tables already; they are left as they are")
    try:
        _make(target)
        path.write_bytes(CONFIGURATION.read_bytes())
        # Readable by the service's own user, which systemd makes up: it holds no secret, and
        # ``config check`` warns when one comes to stand in it.
        path.chmod(0o644)
    except OSError as bad:
        raise UsageError(f"{target}: {bad.strerror}") from None
    return [path, *install(TABLES, tables, force=False)]


def _make(directory: Path) -> None:
    """Make a directory that the service's own user may enter, whatever the umask."""
    for path in (*reversed(directory.parents), directory):
        if not path.exists():
            path.mkdir()
            path.chmod(0o755)


def _differs(source: Path, target: Path) -> bool:
    return target.exists() and target.read_bytes() != source.read_bytes()


def _copies(files: list[Path], target: Path) -> Iterator[Path]:
    for path in files:
        copy = target / path.name
        copy.write_bytes(path.read_bytes())
        copy.chmod(0o755 if path.suffix == ".agi" else 0o644)
        yield copy
