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


_TWO_CORES = "TensorFlow 2.21.0, Keras 3.15.1, two cores of an Intel Xeon"

RUNS = (
    Obtained(
        "anl/mnist/symmetric:0.8/ce",
        "full",
        seeds=(1,),
        last=(22.47,),
        mean_of_last_ten=(22.13,),
        best=(84.94,),
        memorised=(77.42,),
        corrected=(5.14,),
        auroc=(74.23,),
        setup=_TWO_CORES,
    ),
    Obtained(
        "anl/mnist/symmetric:0.8/nce+rce",
        "full",
        seeds=(1,),
        last=(71.44,),
        mean_of_last_ten=(76.20,),
        best=(95.95,),
        memorised=(15.65,),
        corrected=(63.64,),
        auroc=(99.83,),
        setup=_TWO_CORES,
    ),
    Obtained(
        "anl/mnist/symmetric:0.8/anl-ce",
        "full",
        seeds=(1,),
        last=(87.45,),
        mean_of_last_ten=(91.29,),
        best=(96.54,),
        memorised=(5.29,),
        corrected=(84.06,),
        auroc=(99.79,),
        setup=_TWO_CORES,
    ),
    Obtained(
        "anl/cifar10/symmetric:0.4/ce",
        "quick",
        seeds=(1,),
        last=(43.20,),
        mean_of_last_ten=(43.53,),
        best=(47.20,),
        memorised=(31.54,),
        corrected=(31.64,),
        auroc=(89.85,),
        setup=_TWO_CORES,
    ),
    Obtained(
        "anl/cifar10/symmetric:0.4/anl-ce",
        "quick",
        seeds=(1,),
        last=(51.60,),
        mean_of_last_ten=(50.07,),
        best=(52.40,),
        memorised=(7.24,),
        corrected=(51.16,),
        auroc=(89.72,),
        setup=_TWO_CORES,
    ),
)
OBTAINED = {run.recipe: run.cell() for run in RUNS if run.scale == "full"}
