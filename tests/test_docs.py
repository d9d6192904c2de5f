"""Examples in docstrings, the README and the pages are run; tables are what the code says; every name is on a page."""

import ast
import doctest
import importlib
import inspect
import itertools
import pathlib
import pkgutil
import re
import subprocess
import sys

import forked
import keras
import numpy as np
import pytest
from harness import BACKEND, BACKENDS, in_turn, once

import keras_robust

MODULES = [
    module.name
    for module in pkgutil.walk_packages(keras_robust.__path__, "keras_robust.")
    # What only one backend loads, and the program.
    if module.name.rpartition(".")[2] not in (*BACKENDS, "__main__")
]
ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
NAMED = {page: page.relative_to(ROOT).as_posix() for page in PAGES}
# What a page shows of keras_robust, and its modules that have pages of their own.
DIRECTIVE = re.compile(r"^::: keras_robust\.(\S+)$", flags=re.MULTILINE)
MODULES_WITH_NAMES = [
    "",
    "diagnostics.figures",
    "diagnostics.pictures",
    "diagnostics.plots",
    "optimizers",
    "recipes.figures",
    "recommendation",
]


@pytest.mark.parametrize("name", [*in_turn(MODULES), f"keras_robust.losses.rows.{BACKEND}"])
def test_docstring_examples(name, tmp_path):
    module = importlib.import_module(name)
    common = {"np": np, "keras": keras, "keras_robust": keras_robust, "tmp_path": tmp_path}
    names = vars(module) | vars(keras_robust) | common
    result = doctest.testmod(module, globs=names, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


# What a reader tries first runs on every backend.
WITH_PYTHON = [page for page in PAGES if BLOCK.search(page.read_text())]


@pytest.mark.parametrize("page", [WITH_PYTHON[0], *in_turn(WITH_PYTHON[1:])], ids=NAMED.get)
def test_python_on_pages(page, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    first, *others = BLOCK.findall(page.read_text())
    exec(compile(first, str(page), "exec"), names)
    if NAMED[page] == "README.md":  # the first thing a reader tries must show what the package is for
        cross_entropy, robust = map(float, re.findall(r": (\d+\.\d)% ", capsys.readouterr().out))
        assert robust >= cross_entropy + 10.0
    for block in others:
        exec(compile(block, str(page), "exec"), names)


@once
def test_no_line_installs_this_package_from_an_index():
    """It is on none: whoever took the name would be installed."""
    texts = [*PAGES, *(ROOT / "docs").rglob("*.ipynb")]
    texts += [path for folder in ("keras_robust", "examples", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    by_name = re.compile(r"pip3? install(\s+-\S+)*\s+['\"]?keras[-_]robust\b", flags=re.IGNORECASE)
    assert by_name.search("pip install -q 'keras-robust[data]'")
    assert [NAMED.get(path, path.name) for path in texts if by_name.search(path.read_text())] == []


@once
def test_code_on_pages_is_at_most_88_columns_wide():
    """A window breaks what is longer, where nobody would."""
    wide = [
        f"{NAMED[page]}, {len(line)} columns: {line}"
        for page in PAGES
        for block in re.findall(r"^```.*?^```$", page.read_text(), flags=re.DOTALL | re.MULTILINE)
        for line in block.splitlines()
        if len(line) > 88
    ]
    assert not wide, "\n".join(wide)


@once
def test_files_that_a_page_names_are_there():
    table = (ROOT / "docs" / "explanation" / "inside.md").read_text().partition("Paths in `keras_robust/`")[2]
    named = re.findall(r"`([a-z_/]+(?:/|\.py|\.toml))`", table)
    assert len(named) > 50
    assert [path for path in named if not (ROOT / "keras_robust" / path).exists()] == []


def test_pages_with_python():
    found = {NAMED[page] for page in WITH_PYTHON}
    assert NAMED[WITH_PYTHON[0]] == "README.md"
    how_to = {f"docs/how-to/{page}.md" for page in ("choosing", "moving", "new-loss", "reading-a-run")}
    explanation = {f"docs/explanation/{page}.md" for page in ("conventions", "hyperparameters")}
    assert found >= {"README.md"} | how_to | explanation


# An example that sets up devices or processes is for the backend that its name ends in, and runs as a program: one that
# starts others as a user starts it.
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PROGRAMS = [path for path in EXAMPLES if path.stem.rpartition("_")[2] in BACKENDS]
OF_ALL = [path for path in EXAMPLES if path not in PROGRAMS]
HERE = [path for path in PROGRAMS if path.stem.endswith(f"_{BACKEND}")]


@pytest.mark.parametrize("path", [*in_turn(OF_ALL), *HERE], ids=lambda path: path.name)
def test_examples_are_short_and_run(path, monkeypatch):
    text = path.read_text()
    assert len(text.splitlines()) < 80
    monkeypatch.setenv("EXAMPLE_EPOCHS", "1")
    if path not in PROGRAMS:
        exec(compile(text, str(path), "exec"), {"__name__": "__main__"})
        return
    if "subprocess" in text:
        ran = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=900)
    else:
        ran = forked.run(forked.program(path))
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "of the most suspect labels are wrong" in ran.stdout


# The site


def tool(name, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "tools")
    return importlib.import_module(name)


@once
@pytest.mark.parametrize("page", [page for page in PAGES if "<!-- table: " in page.read_text()], ids=NAMED.get)
def test_tables_are_what_the_code_says(page, monkeypatch):
    assert tool("tables", monkeypatch).filled(page.read_text()) == page.read_text(), (
        f"python docs/tools/tables.py writes {NAMED[page]} anew."
    )


def public_names():
    """All public objects: those that `__all__` lists, or that a module without it defines."""
    modules = {*MODULES_WITH_NAMES, *keras_robust._LOADED_ON_USE}
    modules |= {name for name in keras_robust.__all__ if inspect.ismodule(getattr(keras_robust, name))}
    for name in sorted(modules):
        module = importlib.import_module(f"keras_robust.{name}".rstrip("."))
        own = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
        for key in getattr(module, "__all__", own):
            if not key.startswith("_") and not inspect.ismodule(getattr(module, key)):
                yield f"{name}.{key}".lstrip("."), getattr(module, key)


def shown():
    """All objects on the pages of the API, by what the pages call them."""
    for page in sorted((ROOT / "docs" / "reference" / "api").glob("*.md")):
        for path in DIRECTIVE.findall(page.read_text()):
            yield path, pkgutil.resolve_name(f"keras_robust.{path}")


@once
def test_every_public_name_is_on_a_page_of_the_api():
    on_pages = [found for _, found in shown()]
    missing = [name for name, value in public_names() if not any(value is found for found in on_pages)]
    assert not missing, f"docs/reference/api/*.md need a line '::: keras_robust.NAME' for each of {missing}"
    twice = {path for path, _ in shown() if [other for other, _ in shown()].count(path) > 1}
    assert not twice


@once
def test_every_public_name_has_a_docstring():
    bare = []
    for name, value in public_names():
        if inspect.isclass(value) or callable(value):
            # A dataclass and a NamedTuple without one have their signature in its place.
            text = value.__doc__ or ""
            if not text.strip() or text.startswith(f"{getattr(value, '__name__', '')}("):
                bare.append(name)
        elif not documented_constant(name):
            bare.append(name)
    assert not bare


def documented_constant(name):
    """Whether a text stands below the assignment, in whichever file of the sub-package makes it."""
    folder, _, key = name.rpartition(".")
    for path in (ROOT / "keras_robust" / folder.replace(".", "/")).glob("*.py"):
        statements = ast.parse(path.read_text()).body
        for statement, below in itertools.pairwise(statements):
            made = isinstance(statement, ast.Assign) and key in [getattr(t, "id", "") for t in statement.targets]
            if made and isinstance(below, ast.Expr) and isinstance(getattr(below.value, "value", None), str):
                return True
    return False


@once
def test_constructors_on_pages_are_those_of_the_losses(monkeypatch):
    griffe = pytest.importorskip("griffe")
    extension = tool("docstrings", monkeypatch).Constructors()
    package = griffe.load("keras_robust", search_paths=[ROOT], extensions=griffe.load_extensions(extension))
    for name in keras_robust.losses.__all__:
        if name in ("RobustLoss", "WeightedSum"):
            continue
        signature = inspect.signature(getattr(keras_robust, name))
        shown = package[f"losses.{name}"].parameters
        assert [p.name for p in shown] == ["self", *signature.parameters], name
        for parameter in signature.parameters.values():
            default = shown[parameter.name].default
            required = parameter.default is inspect.Parameter.empty
            assert (default is None) if required else eval(str(default)) == parameter.default, (name, parameter)


@once
def test_docstrings_as_markdown(monkeypatch):
    pytest.importorskip("griffe")
    as_markdown = tool("docstrings", monkeypatch).as_markdown
    text = """- d L / dz, p* < 1 of `GCE` [n].

    a  code * stays

Args:
    a, b: both of `x`.
        And * more.

Example: two.

>>> 1 * 1
1
"""
    assert as_markdown(text, "keras_robust.losses.X").splitlines() == [
        r"\- d L / dz, p\* &lt; 1 of [`GCE`][keras_robust.losses.GCE] \[n\].",
        "",
        "    a  code * stays",
        "",
        "Args:",
        "    a: both of `x`.",
        r"        And \* more.",
        "    b: both of `x`.",
        r"        And \* more.",
        "",
        "Examples:",
        "    two.",
        "",
        "    >>> 1 * 1",
        "    1",
    ]
