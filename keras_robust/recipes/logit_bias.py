"""Staats et al. 2023, losses with a logit bias.

Neither the paper nor its code was at hand: rows hold what is known of them and name the settings that are missing. The
paper's symmetric noise resamples over all classes, "symmetric+true:RATE"; its rates are not known here, so rows have
clean labels: `dataclasses.replace(row, noise="symmetric+true:0.4")` gives another.
"""

from keras_robust.recipes.grid import grid

_SOURCE = (
    "what is known of the paper without its text: network, learning rate, weight decay, kind of schedule and noise"
)
_AUGMENTATION = "augmentation: the paper's for CIFAR-10 is not known here"

_BASE = {
    "paper": "logit-bias",
    "learning_rate": 0.1,
    "schedule": "steps",
    "weight_decay": 1e-4,
    "missing": ("epochs", "batch_size", "momentum", "decay", "boundaries"),
    "source": _SOURCE,
}
_LESS = {
    "learning_rate": None,
    "schedule": None,
    "weight_decay": None,
    "missing": ("epochs", "batch_size", "learning_rate", "schedule", "momentum", "weight_decay"),
}
_FASHION = _BASE | _LESS | {"dataset": "fashion_mnist", "network": "mlp1024"}
_CIFAR10 = _BASE | {
    "dataset": "cifar10",
    "network": "resnet32",
    "augmentation": "anl",
    "contested": (_AUGMENTATION,),
}
_CIFAR100 = _BASE | {"dataset": "cifar100", "network": "resnet34", "augmentation": "logit_bias"}
_WEBVISION = _BASE | _LESS | {"dataset": "webvision", "network": "wide_resnet101"}

_ALONE = {"CE": "CE()", "MAE": "MAE()", "genCE": "GCE(q=0.7)"}
_ON_WEBVISION = _ALONE | {
    "genCE transferred": {
        "loss": "GCE(q=0.4816)",
        "contested": ("q: carried over from 0.7 at 100 classes, as theory.transfer does",),
    },
    "MAE*": {
        "loss": "MAEStar(epsilon=5.2)",
        "contested": ("epsilon: 5.2 is printed for 1000 classes; Eq. 4 gives 5.358",),
    },
    "MAE* cycle": {
        "loss": "MAEStar(epsilon=5.2)",
        "moving": "LogitBiasCycle(values=(5.2, 4.8, 4.3, 3.7, 3.0, 2.3), hold=11)",
    },
}

ROWS = (
    *grid(_FASHION, _ALONE | {"MAE*": "MAEStar(epsilon=0.5)"}, (None,)),
    *grid(_CIFAR10, _ALONE | {"MAE*": "MAEStar(epsilon=0.5)"}, (None,)),
    *grid(
        _CIFAR100,
        _ALONE | {"MAE*": "MAEStar(epsilon=3.0)", "NCE-AGCE": "NCEandAGCE(alpha=10, beta=0.1, a=1.8, q=3)"},
        (None,),
    ),
    *grid(_WEBVISION, _ON_WEBVISION, (None,)),
)
