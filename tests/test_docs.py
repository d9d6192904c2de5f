"""Examples in docstrings and in the README are run, and print what they say."""

import doctest
import importlib
import pathlib
import pkgutil
import re

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


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_examples_are_short_and_run(path, monkeypatch):
    text = path.read_text()
    assert len(text.splitlines()) < 80
    monkeypatch.setenv("EXAMPLE_EPOCHS", "1")
    exec(compile(text, str(path), "exec"), {"__name__": "__main__"})
