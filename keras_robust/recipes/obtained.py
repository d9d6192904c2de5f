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
        memorized, corrected: shares of the wrong labels where the model predicts the wrong and the clean label.
        auroc: of the suspects.
        setup: backend, machine and versions.
    """

    recipe: str
    scale: str
    seeds: tuple
    last: tuple
    mean_of_last_ten: tuple
    best: tuple
    memorized: tuple
    corrected: tuple
    auroc: tuple
    setup: str

    def cell(self, measure: str = "last") -> Cell:
        """Mean, and standard deviation of several seeds, of a measure."""
        values = getattr(self, measure)
        std = statistics.stdev(values) if len(values) > 1 else None
        return Cell(statistics.fmean(values), std, self.setup, len(values))


_CPU = "TensorFlow 2.21.0, keras 3.15.1, two CPU cores"
_JPEG = f"{_CPU}; CIFAR-10 from JPEG files, 34 dB from the images of the paper"
RUNS: tuple[Obtained, ...] = (
    Obtained(
        recipe="anl/mnist/symmetric:0.8/ce",
        scale="full",
        seeds=(1,),
        last=(22.88,),
        mean_of_last_ten=(23.2,),
        best=(84.26,),
        memorized=(98.77,),
        corrected=(0.41,),
        auroc=(71.24,),
        setup=_CPU,
    ),
    Obtained(
        recipe="anl/mnist/symmetric:0.8/nce+rce",
        scale="full",
        seeds=(1,),
        last=(74.09,),
        mean_of_last_ten=(75.08,),
        best=(96.2,),
        memorized=(15.14,),
        corrected=(66.09,),
        auroc=(99.76,),
        setup=_CPU,
    ),
    Obtained(
        recipe="anl/mnist/symmetric:0.8/anl-ce",
        scale="full",
        seeds=(1,),
        last=(96.29,),
        mean_of_last_ten=(96.38,),
        best=(96.47,),
        memorized=(0.74,),
        corrected=(95.44,),
        auroc=(99.78,),
        setup=_CPU,
    ),
    Obtained(
        recipe="anl/cifar10/symmetric:0.4/ce",
        scale="quick",
        seeds=(1,),
        last=(49.1,),
        mean_of_last_ten=(48.08,),
        best=(49.1,),
        memorized=(24.4,),
        corrected=(39.18,),
        auroc=(89.72,),
        setup=_JPEG,
    ),
    Obtained(
        recipe="anl/cifar10/symmetric:0.4/anl-ce",
        scale="quick",
        seeds=(1,),
        last=(48.8,),
        mean_of_last_ten=(47.78,),
        best=(49.3,),
        memorized=(7.69,),
        corrected=(48.15,),
        auroc=(87.16,),
        setup=_JPEG,
    ),
)
OBTAINED = {run.recipe: run.cell() for run in RUNS if run.scale == "full"}
