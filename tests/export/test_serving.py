"""What can go wrong while a version is written; test_matrix.py asks what was."""

import os
import resource
import signal
import sys

import forked
import keras
import numpy as np
import pytest
from harness import once
from keras import layers

from keras_robust.export import serving

ON_TENSORFLOW = pytest.mark.only("tensorflow")  # the process that writes has it
VECTORS = np.ones((2, 5), "float32")


@ON_TENSORFLOW
def test_a_full_disk(tmp_path):
    """A limit on the size of files, of which TensorFlow's own writing hears as well."""
    model = keras.Sequential([keras.Input((5,)), layers.Dense(9000), layers.Dense(2)])
    serving(model, tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(Exception, match="File too large"):
            serving(model, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == ["1"]
    assert serving(model, tmp_path).name == "2"


KILLED = """
import os, signal, sys, keras
import keras_robust.export.versions as versions
from keras_robust.export import serving
versions._sync = lambda folder: os.kill(os.getpid(), signal.SIGKILL)  # all is written, nothing renamed
serving(keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)]), sys.argv[1])
"""


@ON_TENSORFLOW
def test_a_killed_export(tmp_path):
    killed = forked.run(KILLED, tmp_path)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".draft-")
    assert (left / "version" / "saved_model.pb").exists()
    assert serving(keras.Sequential([keras.Input((5,)), layers.Dense(2)]), tmp_path).name == "1"


@once
class TestWrongUse:
    def test_missing_packages(self, tmp_path, monkeypatch):
        model = keras.Sequential([keras.Input((5,)), layers.Dense(2)])
        monkeypatch.setitem(sys.modules, "tensorflow_serving", None)
        with pytest.raises(ImportError, match=r"needs tensorflow_serving: pip install -e '.\[serving\]'"):
            serving(model, tmp_path, warmup=VECTORS)
        monkeypatch.setitem(sys.modules, "tensorflow", None)
        with pytest.raises(ImportError, match=r"needs tensorflow: pip install -e '.\[serving\]'"):
            serving(model, tmp_path)
        assert not list(tmp_path.iterdir())

    def test_raw_pixels_of_a_model_without_preprocessing(self, tmp_path):
        model = keras.Sequential([keras.Input((5,)), layers.Dense(2)])
        for given in (True, False):
            with pytest.raises(ValueError, match="`raw_pixels` of serving must be None for a model that does not beg"):
                serving(model, tmp_path, raw_pixels=given)
        for given in ("yes", 0):
            with pytest.raises(ValueError, match="`raw_pixels` of serving must be True, False or None"):
                serving(model, tmp_path, raw_pixels=given)
        assert not list(tmp_path.iterdir())

    def test_a_layer_that_the_other_process_does_not_know(self, tmp_path):
        class Mine(layers.Dense):
            pass

        model = keras.Sequential([keras.Input((5,)), Mine(2)])
        with pytest.raises(RuntimeError, match=r"TensorFlow could not write the model(?s:.*)Mine"):
            serving(model, tmp_path / "models")
        assert not list((tmp_path / "models").iterdir())
