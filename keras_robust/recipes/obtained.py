"""What this package's own runs of recipes ended with: only what `recipes.run` wrote into results.json."""

import statistics
from dataclasses import dataclass

from keras_robust.recipes.schema import Cell


@dataclass(frozen=True)
class Obtained:
    """The runs of one recipe, one value a seed, in per cent.

    Attributes:
        recipe: its name.
        scale: as `recipes.run` takes it; what is not "full" compares with no paper.
        seeds: of the runs, in the order of the values.
        last, mean_of_last_ten, best: test accuracies, as `recipes.report.measure` has them.
        memorised, corrected: shares of the wrong labels where the model predicts the wrong and the clean label.
        auroc: of the suspects.
        setup: backend, machine and versions.
    """

    recipe: str
    scale: str
    seeds: tuple
    last: tuple
    mean_of_last_ten: tuple
    best: tuple
    memorised: tuple
    corrected: tuple
    auroc: tuple
    setup: str

    def cell(self, measure: str = "last") -> Cell:
        """Mean, and standard deviation of several seeds, of a measure."""
        values = getattr(self, measure)
        std = statistics.stdev(values) if len(values) > 1 else None
        return Cell(statistics.fmean(values), std, self.setup, len(values))


RUNS: tuple[Obtained, ...] = ()
OBTAINED = {run.recipe: run.cell() for run in RUNS if run.scale == "full"}
