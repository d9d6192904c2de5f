"""A folder of numbered versions, as a model server watches it: a version is there whole or not at all."""

import contextlib
import ctypes
import errno
import os
import pathlib
import re
import tempfile
from collections.abc import Callable

from keras_robust.checks import at_least, refuse

# What marks a folder as a SavedModel.
GRAPH = "saved_model.pb"
# What servers read as one.
_NUMBER = re.compile("[0-9]+")


def versions_in(directory) -> list[int]:
    """The versions that a folder holds, in order: every entry whose name is a number. No folder holds none.

    Example:

    >>> (tmp_path / "models" / "12").mkdir(parents=True)
    >>> (tmp_path / "models" / ".draft-12").mkdir()
    >>> versions_in(tmp_path / "models")
    [12]
    """
    with contextlib.suppress(FileNotFoundError):
        return sorted(int(name) for name in os.listdir(directory) if _NUMBER.fullmatch(name))
    return []


def version_folder(directory, version: int | None = None) -> pathlib.Path:
    """The folder of one version.

    Args:
        directory: folder of the versions, or that of one version.
        version: which one; None: the latest.

    Raises:
        FileNotFoundError: if there is no such folder or version, or no SavedModel in it.
        ValueError: for a number beside the folder of one version.

    Example:

    >>> for name in ("2", "10"):
    ...     _ = write_version(tmp_path, int(name), lambda folder: (folder / GRAPH).write_text("graph"))
    >>> version_folder(tmp_path).name, version_folder(tmp_path / "2").name
    ('10', '2')
    """
    directory = _path("export", directory)
    version = at_least(1, integer=True, optional=True).check("export", "version", version)
    if not directory.is_dir():
        raise FileNotFoundError(f"There is no folder {directory}.")
    if (directory / GRAPH).is_file():
        if version is not None:
            refuse("export", "version", f"None: {directory} is the folder of one version", version)
        return directory
    there = versions_in(directory)
    if not there or version not in (None, *there):
        which = f"version {version}" if version is not None else "version of a model"
        raise FileNotFoundError(
            f"{directory} holds no {which}: neither {GRAPH} nor a folder of that number with it. Versions there: "
            f"{', '.join(map(str, there)) or 'none'}."
        )
    number = there[-1] if version is None else version
    folder = next(path for path in directory.iterdir() if _NUMBER.fullmatch(path.name) and int(path.name) == number)
    if not (folder / GRAPH).is_file():
        raise FileNotFoundError(f"{folder} is no version of a model: it lacks {GRAPH}.")
    return folder


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
        NotADirectoryError: if `directory` is a file.
        ValueError: if it is the folder of one version.

    Example:

    >>> write_version(tmp_path / "pets", None, lambda folder: (folder / "model").write_text("weights")).name
    '1'
    >>> write_version(tmp_path / "pets", 1, lambda folder: None)
    Traceback (most recent call last):
    FileExistsError: ... holds version 1 already. A version that may be served is not replaced: take another number...
    """
    version = at_least(1, integer=True, optional=True).check("serving", "version", version)
    directory = _path("serving", directory)
    if directory.is_file():
        raise NotADirectoryError(f"{directory} is a file, and no folder of versions.")
    if (directory / GRAPH).exists():
        refuse(
            "serving", "directory", f"the folder of all versions, {directory.parent}, not that of one", str(directory)
        )
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


def _path(owner, directory):
    if not isinstance(directory, str | os.PathLike) or directory == "":
        refuse(owner, "directory", "the path of a folder", directory)
    return pathlib.Path(directory)


def _publish(folder, directory, version):
    """Renames the folder to its version, or to the next free one: another export may have been faster."""
    number = version or max(versions_in(directory), default=0) + 1
    while True:
        path = directory / str(number)
        if _rename_to_new(folder, path):
            return path
        if version is not None:
            _refuse_taken(directory, version)
        number += 1


def _rename_to_new(folder, path):
    """Renames a folder, and says whether: not where anything stands at the new path, an empty folder included.

    Plain renaming takes the place of an empty folder. Linux has a call that does not, in one step; where it is missing,
    or the disk does not know it, one looks first, and a folder that appears in that moment is replaced.
    """
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if os.name == "posix" else None
    if call is not None:
        at_here, no_replace = -100, 1
        if call(at_here, os.fsencode(folder), at_here, os.fsencode(path), no_replace) == 0:
            return True
        number = ctypes.get_errno()
        if number == errno.EEXIST:
            return False
        if number not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
            raise OSError(number, os.strerror(number), str(folder), None, str(path))
    if os.path.lexists(path):
        return False
    try:
        os.rename(folder, path)
    except OSError:
        if os.path.lexists(path):
            return False
        raise
    return True


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
