"""What the fields of a recipe may hold."""

from dataclasses import dataclass
from typing import Any

from keras_robust.algorithms.reading import read_algorithm
from keras_robust.catalog import CATALOG, Dataset, row_of
from keras_robust.checks import Interval, OneOf, at_least, greater_than, refuse

PAPERS = {
    "apl": "Ma et al. 2020, Normalized Loss Functions for Deep Learning with Noisy Labels",
    "anl": "Ye et al. 2023, Active Negative Loss Functions for Learning with Noisy Labels",
    "dal": "Li et al. 2023, Dynamics-Aware Loss for Learning with Label Noise",
    "logit-bias": "Staats et al. 2023, Enhancing Noise-Robust Losses for Large-Scale Noisy Data Learning",
    "curriculum": "Ou & Zhang 2023, Robust loss functions under a curriculum view",
    "cifar-n": "Wei et al. 2022, Learning with Noisy Labels Revisited: training algorithms on the labels of people",
}
"""The papers by their names in recipes: authors and year, title."""

DATASETS = tuple(row.name for row in CATALOG.values() if not row.test_only)
NETWORKS = (
    *("cnn2", "cnn4", "cnn8", "mlp1024", "vgg19_bn"),
    *("resnet18", "resnet32", "resnet34", "resnet50", "wide_resnet101"),
)


@dataclass(frozen=True)
class Text:
    """A text that says something."""

    def check(self, owner, name, value):
        return value if isinstance(value, str) and value.strip() else refuse(owner, name, "a text", value)


@dataclass(frozen=True)
class AlgorithmText:
    """What `read_algorithm` reads."""

    def check(self, owner, name, value):
        read_algorithm(Text().check(owner, name, value))
        return value


@dataclass(frozen=True)
class DatasetRow:
    """The name of a data set, or a row; a dict is one as JSON has it."""

    def check(self, owner, name, value):
        value = Dataset.of(value) if isinstance(value, dict) else value
        row_of(value, owner, name, DATASETS)
        return value


@dataclass(frozen=True)
class Flag:
    """True or False; where `named`, a name in place of True too."""

    named: bool = False

    def check(self, owner, name, value):
        if isinstance(value, bool) or (self.named and isinstance(value, str) and value):
            return value
        refuse(owner, name, "True, False or a name" if self.named else "True or False", value)


@dataclass(frozen=True)
class OrNone:
    """What another rule takes, or None."""

    rule: Any

    def check(self, owner, name, value):
        return None if value is None else self.rule.check(owner, name, value)


_COUNT = at_least(1, integer=True)
#: Settings without which nothing can be trained.
SETTINGS = {
    "loss": Text(),
    "network": OneOf(NETWORKS),
    "epochs": _COUNT,
    "batch_size": _COUNT,
    "learning_rate": greater_than(0.0),
    "schedule": OneOf(("constant", "cosine", "exponential", "steps")),
    "momentum": Interval(0.0, 1.0, open_high=True),
    "weight_decay": at_least(0.0),
}
#: What `missing` may name: settings that no source gives.
MISSING = (*SETTINGS, "decay", "boundaries", "augmentation")
RULES = {
    "paper": OrNone(OneOf(tuple(PAPERS))),
    "dataset": DatasetRow(),
    "label": Text(),
    "source": Text(),
    "variant": OrNone(Text()),
    "exact_noise": Flag(),
    "backdoor": OrNone(OneOf(("local", "global"))),
    "poisoned": at_least(1, integer=True, optional=True),
    "target": at_least(0, integer=True, optional=True),
    "algorithm": OrNone(AlgorithmText()),
    "optimizer": OneOf(("sgd", "adam")),
    "end_rate": at_least(0.0),
    "nesterov": Flag(),
    "clip_norm": greater_than(0.0, optional=True),
    "l1": at_least(0.0),
    "jacobian": at_least(0.0),
    "moving": OrNone(Text()),
    "initializer": OrNone(OneOf(("kaiming_normal", "xavier_uniform"))),
    "pretrained": Flag(named=True),
    "augmentation": OrNone(Text()),
    "validation": Interval(0.0, 1.0, open_high=True),
    "validation_labels": OrNone(OneOf(("noisy", "clean"))),
    "seed": at_least(0, integer=True),
}
