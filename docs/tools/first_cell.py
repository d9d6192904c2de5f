import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile

# What to clone where keras_robust is not installed and this notebook lies in no clone.
REPOSITORY = os.environ.get("KERAS_ROBUST_REPOSITORY", "{repository}")


def is_clone(folder):
    project = folder / "pyproject.toml"
    return project.is_file() and 'name = "keras-robust"' in project.read_text()


found = importlib.util.find_spec("keras_robust")
if found is None or found.origin is None:  # without origin it is a mere folder of that name
    here = pathlib.Path.cwd()
    near = [here, *here.parents, *(path.parent for path in here.glob("*/pyproject.toml"))]
    clone = next(filter(is_clone, near), None)
    if clone is None and (not REPOSITORY or "/OWNER/" in REPOSITORY):
        raise RuntimeError(
            "keras_robust is not installed, and no clone of it is here. Set REPOSITORY, "
            "above, to the address that you give to `git clone`."
        )
    if clone is None:
        clone = pathlib.Path(tempfile.mkdtemp(), "clone")
        subprocess.run(["git", "clone", "--quiet", "--depth=1", REPOSITORY, clone], check=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, f"{clone}[data,plots]"], check=True)
    sys.modules.pop("keras_robust", None)
    importlib.invalidate_caches()
