"""Brings notebooks up to date, and runs them: python docs/tools/notebooks.py [--run] [NAME ...].

The badge and the first cell, which installs the package, are alike in all and written from first_cell.py and the
repository's address in pyproject.toml. With --run a notebook is run in full on the backend of KERAS_BACKEND, in an
empty folder, and keeps what it printed and drew.
"""

import argparse
import base64
import io
import os
import pathlib
import tempfile

import nbclient
import nbformat
from docstrings import repository
from PIL import Image

FOLDER = pathlib.Path(__file__).parents[1] / "tutorials"
FIRST_CELL = pathlib.Path(__file__).with_name("first_cell.py")
_BADGE = "[![Open in Colab](../images/colab.svg)]"


def install() -> str:
    """The first cell of every notebook."""
    return FIRST_CELL.read_text(encoding="utf-8").replace("{repository}", repository()).strip()


def badge(name: str) -> str:
    """The line below the title that opens a notebook in Colab."""
    path = repository().removeprefix("https://github.com/")
    return f"{_BADGE}(https://colab.research.google.com/github/{path}/blob/main/docs/tutorials/{name})"


def updated(book, name):
    """A notebook with its badge and its first cell as they are now."""
    title, *text = [line for line in book.cells[0].source.split("\n") if not line.startswith(_BADGE)]
    book.cells[0].source = "\n".join([title, "", badge(name), "", *"\n".join(text).strip().split("\n")])
    book.cells[1].source = install()
    return book


def run(book):
    """Runs a notebook, and keeps what it printed and drew, but not what libraries said on stderr."""
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        client = nbclient.NotebookClient(book, timeout=1200, kernel_name="python3", resources=resources)
        client.execute(env=os.environ | {"PYTHONWARNINGS": "ignore"})  # progress bars warn where they cannot move
    for cell in book.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [smaller(output) for output in cell.outputs if output.get("name") != "stderr"]
    return book


def smaller(output):
    """An output whose picture has 64 colors, a third of the bytes."""
    if picture := output.get("data", {}).get("image/png"):
        image, file = Image.open(io.BytesIO(base64.b64decode(picture))), io.BytesIO()
        image.convert("RGB").quantize(64).save(file, "png", optimize=True)
        output["data"]["image/png"] = base64.b64encode(file.getvalue()).decode()
    return output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="of notebooks (default: all)")
    parser.add_argument("--run", action="store_true", help="run them in full, and keep their output")
    options = parser.parse_args()
    for path in sorted(FOLDER.glob("*.ipynb")):
        if not options.names or path.stem in options.names:
            book = updated(nbformat.read(path, 4), path.name)
            nbformat.write(run(book) if options.run else book, path)
            print(f"Written: {path}")


if __name__ == "__main__":
    main()
