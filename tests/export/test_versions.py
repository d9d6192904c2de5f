"""A version is there whole or not at all, whatever happens on the way."""

import errno
import os
import sys

import pytest
from harness import once

from keras_robust.export.versions import _rename_to_new, version_folder, versions_in, write_version

pytestmark = once


def fill(folder):
    (folder / "variables").mkdir()
    (folder / "variables" / "data").write_text("weights")
    (folder / "saved_model.pb").write_text("graph")


def test_versions_count_up_and_stay(tmp_path):
    models = tmp_path / "deep" / "models"
    assert versions_in(models) == []
    assert [write_version(models, version, fill).name for version in (None, None, 7, None)] == ["1", "2", "7", "8"]
    for taken in (7, 7.0):
        with pytest.raises(FileExistsError, match="models holds version 7 already.*or None for the next"):
            write_version(models, taken, fill)
    for wrong in (0, -1, 1.5, "3", True):
        with pytest.raises(ValueError, match="`version` of serving must be a whole number, at least 1, or None"):
            write_version(models, wrong, fill)
    assert sorted(os.listdir(models)) == ["1", "2", "7", "8"]
    assert (models / "8" / "variables" / "data").read_text() == "weights"


def test_folders_that_take_no_versions(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file is a file, and no folder"):
        write_version(tmp_path / "file", None, fill)
    version = write_version(tmp_path / "models", None, fill)
    with pytest.raises(ValueError, match=r"must be .*of all versions.*models, not.*of one. Received: .*models/1"):
        write_version(version, None, fill)
    for wrong in ("", None, 3):
        for of in (version_folder, lambda folder: write_version(folder, None, fill)):
            with pytest.raises(ValueError, match="`directory` of (serving|export) must be the path of a folder"):
                of(wrong)


def test_a_watcher_sees_no_half_version(tmp_path):
    seen = []

    def watched(folder):
        fill(folder)
        seen.append(versions_in(tmp_path))
        assert all(name.startswith(".") for name in os.listdir(tmp_path))

    write_version(tmp_path, None, watched)
    assert (seen, versions_in(tmp_path)) == ([[]], [1])


def test_another_export_may_be_faster(tmp_path):
    """It takes the number while the folder is filled: the next one is taken, or a number that was asked for refused."""

    def overtaken(folder):
        fill(folder)
        write_version(tmp_path, None, fill)

    assert write_version(tmp_path, None, overtaken).name == "2"
    with pytest.raises(FileExistsError, match="holds version 3"):
        write_version(tmp_path, 3, overtaken)
    assert sorted(os.listdir(tmp_path)) == ["1", "2", "3"]


def test_an_empty_folder_that_appears_meanwhile_stays(tmp_path):
    """Renaming would take its place without a word, as it does not that of a folder with something in it."""

    def overtaken(folder):
        fill(folder)
        (tmp_path / str(len(os.listdir(tmp_path)))).mkdir()

    assert write_version(tmp_path, None, overtaken).name == "2"
    with pytest.raises(FileExistsError, match="holds version 3"):
        write_version(tmp_path, 3, overtaken)
    assert os.listdir(tmp_path / "1") == os.listdir(tmp_path / "3") == []


@pytest.mark.parametrize("system", ["linux", "other"])
def test_an_empty_folder_of_the_last_moment_stays(tmp_path, monkeypatch, system):
    """Where the system can, the look and the renaming are one step, so that nobody comes between."""
    if system == "linux":
        if not sys.platform.startswith("linux"):
            pytest.skip("needs renameat2")
        monkeypatch.setattr(os.path, "lexists", lambda path: False)  # what one sees before it comes
    else:
        monkeypatch.setattr("ctypes.CDLL", lambda *args, **keywords: None)
    folder, taken = tmp_path / ".draft", tmp_path / "1"
    for path in (folder, taken):
        path.mkdir()
    (folder / "graph").touch()
    assert not _rename_to_new(folder, taken)
    assert (os.listdir(taken), os.listdir(folder)) == ([], ["graph"])
    assert _rename_to_new(folder, tmp_path / "2")
    assert sorted(os.listdir(tmp_path)) == ["1", "2"]


def test_the_folder_of_a_version(tmp_path):
    models = tmp_path / "models"
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*models\."):
        version_folder(models)
    models.mkdir()
    with pytest.raises(FileNotFoundError, match="holds no version of a model.*Versions there: none"):
        version_folder(models)
    for version in (9, 10):
        write_version(models, version, fill)
    assert [version_folder(models, version).name for version in (None, 9)] == ["10", "9"]
    assert version_folder(str(models / "9")) == models / "9"
    with pytest.raises(FileNotFoundError, match="holds no version 3: .*Versions there: 9, 10"):
        version_folder(models, 3)
    with pytest.raises(ValueError, match="`version` of export must be None: .* is the folder of one version"):
        version_folder(models / "9", 9)
    (models / "11").mkdir()
    with pytest.raises(FileNotFoundError, match=r"11 is no version of a model: it lacks saved_model.pb"):
        version_folder(models)


def test_other_entries_are_no_versions(tmp_path):
    for name in (".draft-killed", "tmp", "3x", "½", "-4", "latest", "١٢"):
        (tmp_path / name).mkdir()
    (tmp_path / "0012").mkdir()
    fill(tmp_path / "0012")
    assert (versions_in(tmp_path), version_folder(tmp_path).name) == ([12], "0012")
    assert write_version(tmp_path, None, fill).name == "13"


@pytest.mark.parametrize("moment", ["write", "fsync", "rename"])
def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch, moment):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(folder):
        fill(folder)
        if moment == "write":
            full()

    write_version(tmp_path, None, fill)
    if moment != "write":
        monkeypatch.setattr(os, moment, full)
        monkeypatch.setattr("ctypes.CDLL", lambda *args, **keywords: None)  # a system without renameat2
    with pytest.raises(OSError, match="No space left on device"):
        write_version(tmp_path, None, write)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["1"]
    assert write_version(tmp_path, None, fill).name == "2"
