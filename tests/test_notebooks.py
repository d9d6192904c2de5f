"""Notebooks run from top to bottom, as they are, stay small, and install the package wherever they are opened."""

import importlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig

import jupyter_client
import nbclient
import nbformat
import pytest
from harness import once

import keras_robust

ROOT = pathlib.Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))


def code_cells(path):
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


def printed(cells):
    return [output["name"] for cell in cells for output in cell["outputs"] if output["output_type"] == "stream"]


def pictures(cells):
    return sum("image/png" in output.get("data", {}) for cell in cells for output in cell["outputs"])


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """One kernel for all: most of the time of a notebook would be the start of its own."""
    manager = jupyter_client.KernelManager(kernel_name="python3")
    folder = tmp_path_factory.mktemp("notebooks")
    manager.start_kernel(env=os.environ | {"EXAMPLE_EPOCHS": "1"}, cwd=folder)
    yield manager
    manager.shutdown_kernel(now=True)


@once
@pytest.mark.filterwarnings("ignore")  # Jupyter's own
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path, kernel):
    book = nbformat.read(path, 4)
    forget = nbformat.v4.new_code_cell("%reset -f\nassert 'keras_robust' not in globals()")
    book.cells.insert(0, forget)
    client = nbclient.NotebookClient(book, km=kernel, timeout=600)
    try:
        client.execute()
    finally:
        client.kc.stop_channels()
    assert pictures([cell for cell in book.cells if cell.cell_type == "code"]) == pictures(code_cells(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_with_small_outputs(path):
    assert path.stat().st_size < 300_000
    first, *others = code_cells(path)
    assert first["metadata"]["tags"] == ["install"]
    assert not first["outputs"]
    assert [cell["execution_count"] for cell in (first, *others)] == list(range(1, len(others) + 2))
    assert set(printed(others)) == {"stdout"}


def test_all_are_listed():
    listed, menu = (NOTEBOOKS[0].parent / "index.md").read_text(), (ROOT / "mkdocs.yml").read_text()
    assert NOTEBOOKS
    assert all(f"]({path.name})" in listed and f"tutorials/{path.name}\n" in menu for path in NOTEBOOKS)


# The first cell, which installs

INSTALL = "".join(code_cells(NOTEBOOKS[0])[0]["source"])
# As in a session that has tried before: a folder of the package's name is in sys.modules then.
TRIED = "try:\n    import keras_robust\nexcept ImportError:\n    pass\n"
FOUND = "\nimport keras_robust\nprint(keras_robust.__version__, keras_robust.__file__)"


@once
def test_badges_and_first_cells_are_what_the_tool_writes(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "tools")
    tool = importlib.import_module("notebooks")
    for path in NOTEBOOKS:
        message = f"python docs/tools/notebooks.py {path.stem} writes it anew."
        assert tool.updated(nbformat.read(path, 4), path.name) == nbformat.read(path, 4), message


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """This checkout as a repository to clone from."""
    folder = tmp_path_factory.mktemp("remote") / "repository"
    shutil.copytree(ROOT / "keras_robust", folder / "keras_robust", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "-m", "all"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


@pytest.fixture
def alone(tmp_path):
    """An environment that has what this one has, but for keras_robust, and that installs from folders alone."""
    pytest.importorskip("hatchling")
    packages = pathlib.Path(sysconfig.get_path("purelib"))
    for entry in packages.iterdir():
        if "keras_robust" not in entry.name:
            (tmp_path / "packages").mkdir(exist_ok=True)
            (tmp_path / "packages" / entry.name).symlink_to(entry)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    pip = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}  # 0 is pip's way to say: none
    environment = os.environ | pip | {"PYTHONPATH": str(tmp_path / "packages")}
    environment.pop("KERAS_ROBUST_REPOSITORY", None)

    def run(code, folder, **variables):
        python = tmp_path / "env" / "bin" / "python"
        return subprocess.run(
            [python, "-c", code], cwd=folder, env=environment | variables, capture_output=True, text=True
        )

    return run


@once
@pytest.mark.parametrize("where", ["in an empty folder", "inside the clone", "beside the clone"])
def test_notebooks_install(where, alone, repository, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    address = {"KERAS_ROBUST_REPOSITORY": repository.as_uri()}
    if where != "in an empty folder":
        subprocess.run(["git", "clone", "--quiet", repository.as_uri(), work / "keras_robust"], check=True)
        address = {}
    if where == "inside the clone":
        work = work / "keras_robust" / "docs" / "tutorials"
        work.mkdir(parents=True)
    ran = alone(TRIED + INSTALL + FOUND, work, **address)
    assert ran.returncode == 0, ran.stderr[-3000:]
    version, file = ran.stdout.split()
    assert version == keras_robust.__version__
    assert pathlib.Path(file).is_relative_to(tmp_path / "env")


@once
def test_notebooks_say_what_to_set_where_there_is_no_clone(alone, tmp_path):
    ran = alone(INSTALL, tmp_path)
    assert "Set REPOSITORY, above, to the address that you give to `git clone`." in ran.stderr


@once
def test_notebooks_install_nothing_where_the_package_is(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "run", None)
    exec(INSTALL, {})
