"""What this package's own runs ended with: only what `recipes.run` and `compare` wrote into their result files."""

import csv
import statistics
import tomllib
from dataclasses import dataclass
from importlib.resources import files

from keras_robust.recipes.cell import Cell


@dataclass(frozen=True)
class Obtained:
    """The runs of one recipe, one value a seed, in per cent; None where a run's folder is gone and it was not noted.

    Attributes:
        recipe: its name.
        scale: as `recipes.run` takes it; what is not "full" compares with no paper.
        seeds: of the runs, in the order of the values.
        last, mean_of_last_ten, best: test accuracies, as `training.measure` has them.
        memorized, corrected: shares of the wrong labels where the model predicts the wrong and the clean label.
        auroc: of the suspects.
        setup: backend, machine and versions.
    """

    recipe: str
    scale: str
    seeds: list
    last: list
    setup: str
    mean_of_last_ten: list | None = None
    best: list | None = None
    memorized: list | None = None
    corrected: list | None = None
    auroc: list | None = None

    def cell(self, measure: str = "last") -> Cell | None:
        """Mean, and standard deviation of several seeds, of a measure."""
        values = getattr(self, measure)
        if values is None:
            return None
        std = statistics.stdev(values) if len(values) > 1 else None
        return Cell(statistics.fmean(values), std, table="own runs", runs=len(values), note=self.setup)


def _demo():
    found = {}
    with (_FOLDER / "demo.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            loss, seed = row.pop("loss"), int(row.pop("seed"))
            found.setdefault(loss, {})[seed] = {name: float(value) for name, value in row.items()}
    return found


_FOLDER = files("keras_robust.recipes")
RUNS = tuple(Obtained(**run) for run in tomllib.loads((_FOLDER / "obtained.toml").read_text(encoding="utf-8"))["run"])
OBTAINED = {run.recipe: run.cell() for run in RUNS if run.scale == "full"}
DEMO = _demo()
"""What `make demo` measured: loss -> seed -> what `training.measure` gives. JAX, two cores of an AMD EPYC."""
