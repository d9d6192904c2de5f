"""Notebooks run from top to bottom, as they are, and stay small."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from harness import BACKEND

NOTEBOOKS = sorted((pathlib.Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))
EXECUTE = """
import sys, nbclient, nbformat
book = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(book, timeout=600, kernel_name="python3").execute()
nbformat.write(book, sys.argv[2])
"""


def code_cells(path):
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


def printed(cells):
    return [output["name"] for cell in cells for output in cell["outputs"] if output["output_type"] == "stream"]


def pictures(cells):
    return sum("image/png" in output.get("data", {}) for cell in cells for output in cell["outputs"])


@pytest.mark.skipif(BACKEND != "tensorflow", reason="as on Colab, TensorFlow")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path, tmp_path):
    made = tmp_path / "made.ipynb"
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", EXECUTE, path, made],
        env=os.environ | {"EXAMPLE_EPOCHS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert pictures(code_cells(made)) == pictures(code_cells(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_with_small_outputs(path):
    assert path.stat().st_size < 300_000
    first, *others = code_cells(path)
    assert first["metadata"]["tags"] == ["install"]
    assert "%pip install" in "".join(first["source"])
    assert not first["outputs"]
    assert [cell["execution_count"] for cell in (first, *others)] == list(range(1, len(others) + 2))
    assert set(printed(others)) == {"stdout"}


def test_all_are_listed():
    listed = (NOTEBOOKS[0].parent / "index.md").read_text()
    assert len(NOTEBOOKS) == 5
    assert all(f"]({path.name})" in listed for path in NOTEBOOKS)
