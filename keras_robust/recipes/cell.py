"""A cell of a table: one number that a paper printed, or that our own runs gave, and what it is."""

from dataclasses import dataclass

from keras_robust.checks import Interval, at_least, refuse

#: How the metric of a success rate begins.
ATTACK = "backdoor success rate"
_RULES = {
    "value": Interval(0.0, 100.0, optional=True),
    "std": at_least(0.0, optional=True),
    "runs": at_least(1, integer=True, optional=True),
    "line": at_least(1, integer=True, optional=True),
}


@dataclass(frozen=True)
class Cell:
    """An accuracy, or the success rate of a backdoor.

    Attributes:
        value: in percent; None where the table has no number, or one that cannot be read.
        std: what is printed behind ±, or None. The standard deviation over the runs, unless `note` says otherwise.
        table: where it stands.
        metric: what it is, "test accuracy (%), epoch not stated".
        evaluated_on: the data set whose test images were used, or None: that of the recipe.
        runs: number of runs, or None where it is not said.
        settings: the hyper-parameters that the paper ties to it, as printed.
        note: anything else that is to be known.
        line: of the file of printed accuracies, from 1 on; None for a cell that is not in the file.
    """

    value: float | None
    std: float | None = None
    table: str = ""
    metric: str = "test accuracy (%)"
    evaluated_on: str | None = None
    runs: int | None = None
    settings: str = ""
    note: str = ""
    line: int | None = None

    def __post_init__(self):
        for name, rule in _RULES.items():
            object.__setattr__(self, name, rule.check("Cell", name, getattr(self, name)))
        for name in ("table", "metric", "settings", "note"):
            if not isinstance(getattr(self, name), str):
                refuse("Cell", name, "a text", getattr(self, name))

    def __str__(self):
        if self.value is None:
            return "-"
        return f"{self.value:.2f}" if self.std is None else f"{self.value:.2f} ± {self.std:.2f}"

    @property
    def of_test(self) -> bool:
        """Whether it is an accuracy on test images, not on those that were trained on."""
        return not self.metric.startswith(("train", ATTACK))

    @property
    def of_attack(self) -> bool:
        """Whether it is the success rate of a backdoor."""
        return self.metric.startswith(ATTACK)
