"""Examples in docstrings and in the README are run, and print what they say."""

import doctest
import importlib
import pathlib
import pkgutil
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_robust

MODULES = [
    module.name
    for module in pkgutil.walk_packages(keras_robust.__path__, "keras_robust.")
    if not module.name.endswith("__main__")
]
ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name, tmp_path):
    module = importlib.import_module(name)
    common = {"np": np, "keras": keras, "keras_robust": keras_robust, "tmp_path": tmp_path}
    names = vars(module) | vars(keras_robust) | common
    result = doctest.testmod(module, globs=names, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_python_in_the_readme():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert len(blocks) >= 3
    names = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)


# An example that sets up devices or processes is for the backend that its name ends in, and runs as a program.
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PROGRAMS = [path for path in EXAMPLES if path.stem.rpartition("_")[2] in ("tensorflow", "jax", "torch")]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_short_and_run(path, monkeypatch):
    text = path.read_text()
    assert len(text.splitlines()) < 80
    monkeypatch.setenv("EXAMPLE_EPOCHS", "1")
    if path not in PROGRAMS:
        exec(compile(text, str(path), "exec"), {"__name__": "__main__"})
        return
    if not path.stem.endswith(f"_{keras.backend.backend()}"):
        pytest.skip(f"is for {path.stem.rpartition('_')[2]}")
    ran = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=900)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "of the most suspect labels are wrong" in ran.stdout
