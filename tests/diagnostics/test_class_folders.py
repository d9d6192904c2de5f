"""Images copied into the class folders of their corrected labels."""

import numpy as np
import pytest
from harness import assert_refused_in_one_line, once

from keras_robust.data.image_folders import listed
from keras_robust.diagnostics.class_folders import copy_corrected
from keras_robust.diagnostics.corrections import Corrected

pytestmark = once
PATHS = ["a/1.png", "a/2.png", "a/in/1.png", "b/1.PNG", "b/1.png", "b/2.png", "b/in/1.png"]


@pytest.fixture
def images(tmp_path):
    for path in PATHS:
        (tmp_path / "old" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "old" / path).write_text(path)
    found = listed(tmp_path / "old")
    assert found.paths == PATHS
    return found


def corrected(labels, drop=()):
    return Corrected(np.array(labels), np.isin(np.arange(len(labels)), drop), "")


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_images_go_where_their_labels_say_and_none_takes_the_place_of_another(images, tmp_path):
    (tmp_path / "new").mkdir()  # an empty folder will do
    # a/1 stays, a/2 goes to b; both b/1 and b/in/1 go to a, b/2 is dropped; an unknown label stays.
    found = copy_corrected(images, corrected([0, 1, -1, 0, 0, 1, 0], drop=[5]), tmp_path / "new")
    assert content(tmp_path / "new") == {
        "a/1.png": "a/1.png",
        "b/2.png": "a/2.png",
        "a/in/1.png": "a/in/1.png",
        "a/1 from b.PNG": "b/1.PNG",
        "a/1 from b 2.png": "b/1.png",
        "a/in/1 from b.png": "b/in/1.png",
    }
    assert found[1:] == (6, 4, 3, 1)
    assert str(found).endswith(
        "6 images, 4 of them into another class folder (3 under another name, for theirs was taken); 1 dropped"
    )
    assert content(tmp_path / "old") == {path: path for path in PATHS}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old"]
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "old").stat().st_mode


def test_nothing_is_replaced_and_nothing_is_left_half_done(images, tmp_path):
    same = corrected([0] * len(PATHS))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    for taken in ("full", "full/x"):
        with pytest.raises(FileExistsError, match="is there already"):
            copy_corrected(images, same, tmp_path / taken)
    for inside in ("old", "old/c", "old/../old/c"):
        with pytest.raises((ValueError, FileExistsError), match="one more class|there already"):
            copy_corrected(images, same, tmp_path / inside)
    for wrong in (corrected([0, 1]), corrected([2] * len(PATHS))):
        with pytest.raises(ValueError, match="`corrections` of clean must be class ids below 2 of 7 images"):
            copy_corrected(images, wrong, tmp_path / "new")
    (tmp_path / "old" / "b" / "2.png").unlink()
    with pytest.raises(FileNotFoundError, match="1 of 7 images are missing, the first: .*b/2.png"):
        copy_corrected(images, same, tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "old"]


def test_a_run_without_images_has_no_folders(run_folder, tmp_path, capsys):
    (tmp_path / "corrections.csv").write_text("sample,given,corrected,decision\n")
    command = ["clean", str(run_folder), "--corrections", str(tmp_path / "corrections.csv")]
    assert_refused_in_one_line([*command, "--folders", str(tmp_path / "new")], "has no images.csv", capsys)
    assert not (run_folder / "corrected.npz").exists()
