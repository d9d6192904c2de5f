"""A folder of numbered versions, as a model server watches it: a version is there whole or not at all."""

import contextlib
import os
import pathlib
import re
import tempfile
from collections.abc import Callable

from keras_robust.checks import at_least


def versions_in(directory) -> list[int]:
    """The versions that a folder holds, in order: every entry whose name is a number. No folder holds none.

    Example:

    >>> (tmp_path / "models" / "12").mkdir(parents=True)
    >>> (tmp_path / "models" / ".draft-12").mkdir()
    >>> versions_in(tmp_path / "models")
    [12]
    """
    with contextlib.suppress(FileNotFoundError):
        return sorted(int(name) for name in os.listdir(directory) if re.fullmatch("[0-9]+", name))
    return []


def write_version(directory, version: int | None, write: Callable[[pathlib.Path], None]) -> pathlib.Path:
    """Has `write(folder)` fill a new folder, which then takes its place as `directory`/`version`.

    It is filled inside a hidden folder of `directory`, .draft-..., so that the last step is one renaming: whoever
    watches `directory` sees all of a version or nothing. What lies beside the new folder is scratch room. If `write`
    raises, nothing is left; a process that is killed leaves a hidden folder, which may be deleted.

    Args:
        directory: folder of the versions; made if it is not there.
        version: a whole number, at least 1; None: the one after the largest that is there.
        write: fills the folder that it is given.

    Returns:
        The path of the version.

    Raises:
        FileExistsError: if the version is there.

    Example:

    >>> write_version(tmp_path / "pets", None, lambda folder: (folder / "model").write_text("weights")).name
    '1'
    >>> write_version(tmp_path / "pets", 1, lambda folder: None)
    Traceback (most recent call last):
    FileExistsError: ... holds version 1 already. A version that may be served is not replaced: take another number...
    """
    version = at_least(1, integer=True, optional=True).check("serving", "version", version)
    directory = pathlib.Path(directory)
    if version is not None:
        _refuse_taken(directory, version)
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=directory) as room:
        folder = pathlib.Path(room) / "version"
        folder.mkdir()
        write(folder)
        _sync(folder)
        path = _publish(folder, directory, version)
    _sync_entry(directory)
    return path


def _publish(folder, directory, version):
    """Renames the folder to its version, or to the next free one: another export may have been faster."""
    number = version or max(versions_in(directory), default=0) + 1
    while True:
        path = directory / str(number)
        try:
            # Renaming alone would take the place of an empty folder.
            if not path.exists():
                return folder.rename(path)
        except OSError:
            if not path.exists():
                raise
        if version is not None:
            _refuse_taken(directory, version)
        number += 1


def _refuse_taken(directory, version):
    if version in versions_in(directory):
        raise FileExistsError(
            f"{directory} holds version {version} already. A version that may be served is not replaced: take another "
            "number, or None for the next."
        )


def _sync(folder):
    """Puts a folder and all in it on the disk: after a loss of power a version is not half either."""
    for parent, _, files in os.walk(folder):
        for name in files:
            _sync_entry(os.path.join(parent, name))
        _sync_entry(parent)


def _sync_entry(path):
    if os.name == "nt" and os.path.isdir(path):
        return  # Windows does not open folders.
    entry = os.open(path, os.O_RDONLY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)
