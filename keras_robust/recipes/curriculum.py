"""Ou & Zhang 2023, losses by their implicit sample weights.

Settings and accuracies are those of the submission of 2022, "A Curriculum Perspective of Robust Loss Functions", whose
text was at hand. Every loss is scaled so that the largest weight of a sample is 1 (`UnitWeight`).
"""

from keras_robust.recipes import shared
from keras_robust.recipes.grid import Printed, grid

_SOURCE = "submission of 2022, appendix B and Table 7"
_TEXT = (
    "augmentation: in words the same as in Ma et al. and Ye et al., whose code is followed here",
    "clip_norm: not in the text; Ma et al. and Ye et al., whose settings it follows, clip at 5",
)

_BASE = {"paper": "curriculum", "source": _SOURCE, "contested": _TEXT}
_CIFAR10 = shared.CIFAR10 | _BASE
_CIFAR100 = shared.CIFAR100 | _BASE
_WEBVISION = {
    **shared.CIFAR100,
    **_BASE,
    "dataset": "mini_webvision",
    "network": "resnet50",
    "epochs": 250,
    "learning_rate": 0.2,
    "weight_decay": 3e-5,
}


def _fixed(loss, tau):
    """A loss as it is, and with its weights moved or stretched for the number of classes."""
    return (
        f"UnitWeight({loss})",
        f"MarginShift(UnitWeight({loss}), tau={tau})",
        f"UnitWeight(MarginScale({loss}, tau={tau}))",
    )


def _three(name, loss, tau):
    return dict(zip((name, f"{name} shift", f"{name} rescale"), _fixed(loss, tau), strict=True))


def _captioned(label, loss):
    doubt = () if label == "AGCE" else ("tau: 4.5 in Table 3; the captions of Tables 9 and 10 have both 2.6 and 4.5",)
    return {"loss": loss, "contested": (*_TEXT, *doubt)}


_ON_CIFAR100 = {"CE": "CE()"} | {
    "GCE": "UnitWeight(GCE(q=0.9))",
    "SCE": "UnitWeight(0.05 * CE() + 0.95 * MAE())",
    "AUL": "UnitWeight(AUL(a=7, q=0.5))",
}
_ADAPTED = {label: _captioned(label, loss) for label, loss in _three("AGCE", "AGCE(a=3, q=1.2)", 4.5).items()} | _three(
    "MAE", "MAE()", 2.6
)
_ON_CIFAR10 = {
    "CE": "CE()",
    "SCE": "UnitWeight(0.3 * CE() + 0.7 * MAE())",
    "GCE": "UnitWeight(GCE(q=0.3))",
    "MAE": "UnitWeight(MAE())",
    "AUL": "UnitWeight(AUL(a=1.1, q=5))",
    "AGCE": "UnitWeight(AGCE(a=0.1, q=0.1))",
}
_ON_CIFAR10N = _ON_CIFAR10 | {
    "FL": "UnitWeight(FL(gamma=2))",
    "AEL": "UnitWeight(AEL(a=1.5))",
    "TCE": "UnitWeight(TCE(t=6))",
}
_ON_WEBVISION = {"CE": "CE()"} | _three("MAE", "MAE()", 2.0)


def _printed(table, noises, rows, runs=3):
    return Printed(table, f"submission of 2022, {table}", noises, rows, runs)


_CLEAN = _printed(
    "Table 2",
    (None,),
    {
        "CE": "71.33±0.23",
        "GCE": "69.95±0.40",
        "SCE": "71.36±0.39",
        "AUL": "58.75±1.07",
    },
)
_SYMMETRIC = _printed(
    "Table 9",
    (None, *shared.SYMMETRIC),
    {
        "AGCE": "49.27±1.03 49.17±2.15 47.76±1.75 38.17±1.43 16.03±0.59",
        "AGCE shift": "67.50±1.48 61.95±1.48 53.33±1.08 33.26±0.37 10.47±0.57",
        "AGCE rescale": "67.20±0.79 64.28±1.27 56.32±0.59 38.52±1.67 12.75±1.10",
        "MAE": "3.69±0.59 2.92±0.46 1.29±0.50 2.27±1.24 1.00±0.00",
        "MAE shift": "69.02±0.78 59.75±0.84 44.60±0.24 24.27±0.26 8.08±0.26",
        "MAE rescale": "69.95±1.21 66.42±0.71 60.70±0.30 45.17±2.37 10.79±0.97",
    },
)
_ASYMMETRIC_TABLE = _printed(
    "Table 10",
    shared.ASYMMETRIC,
    {
        "AGCE": "47.53±0.73 46.77±2.37 39.82±2.70 33.40±1.57",
        "AGCE shift": "64.07±0.90 56.16±1.44 46.73±1.39 38.37±1.55",
        "AGCE rescale": "65.69±0.24 60.80±0.77 48.72±1.39 40.00±0.27",
        "MAE": "3.59±0.56 3.19±0.98 2.11±1.93 2.53±1.34",
        "MAE shift": "63.82±0.84 56.38±0.45 48.93±0.53 40.57±0.47",
        "MAE rescale": "68.01±1.08 65.71±0.47 57.40±0.35 39.22±1.54",
    },
)
_HUMAN = _printed(
    "Table 3",
    ("human:cifar100n",),
    {
        "AGCE": "30.45±1.50",
        "AGCE shift": "44.44±1.39",
        "AGCE rescale": "49.08±0.74",
        "MAE": "2.09±0.55",
        "MAE shift": "48.31±0.31",
        "MAE rescale": "54.65±0.73",
    },
)
_ON_CLEAN_CIFAR10 = _printed(
    "Table 4",
    (None,),
    {"CE": "90.49", "SCE": "91.06", "GCE": "90.85", "MAE": "90.56", "AUL": "90.79", "AGCE": "90.56"},
)
_ONE_RUN = _printed("Figure 4", ("symmetric:0.4",), {"CE": "58.05", "SCE": "69.62", "MAE": "85.86"}, 1)
_ONE_RUN_HUMAN = _printed(
    "Figure 8",
    ("human:worst",),
    {
        "CE": "61.96",
        "FL": "61.02",
        "MAE": "68.34",
        "AUL": "68.51",
        "SCE": "68.61",
        "TCE": "72.42",
        "AGCE": "73.19",
        "AEL": "78.13",
        "GCE": "78.78",
    },
    1,
)
_WEB = _printed("Table 11", (None,), {"CE": "66.40", "MAE": "3.68", "MAE shift": "60.76", "MAE rescale": "66.72"}, 1)

ROWS = (
    *grid(_CIFAR10, _ON_CIFAR10, (None, *shared.SYMMETRIC), (_ON_CLEAN_CIFAR10, _ONE_RUN)),
    *grid(_CIFAR10 | {"dataset": "cifar10n"}, _ON_CIFAR10N, ("human:worst",), (_ONE_RUN_HUMAN,)),
    *grid(_CIFAR100, _ON_CIFAR100, (None,), (_CLEAN,)),
    *grid(_CIFAR100, _ADAPTED, (None, *shared.SYMMETRIC, *shared.ASYMMETRIC), (_SYMMETRIC, _ASYMMETRIC_TABLE)),
    *grid(_CIFAR100 | {"dataset": "cifar100n"}, _ADAPTED, ("human:cifar100n",), (_HUMAN,)),
    *grid(_WEBVISION, _ON_WEBVISION, (None,), (_WEB,)),
)
