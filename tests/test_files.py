"""Files that are there whole or not at all."""

import pytest
from harness import once

from keras_robust.files import whole

pytestmark = once


def test_a_file_appears_at_the_end(tmp_path):
    path = tmp_path / "model.weights.h5"
    with whole(path) as draft:
        assert draft.name.endswith("model.weights.h5")
        draft.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def fail():
        with whole(path) as draft:
            draft.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(("error", "told"), [(OSError(28, "No space left on device"), 28), (OSError("1 written"), 5)])
def test_a_write_that_fails_says_where(tmp_path, error, told):
    def fail():
        with whole(tmp_path / "epoch.npy"):
            raise error

    with pytest.raises(OSError, match=r"(No space left on device|1 written.*is the disk full\?).*epoch.npy") as raised:
        fail()
    assert raised.value.errno == told
    assert not list(tmp_path.iterdir())
