"""Li et al. 2023, dynamics-aware loss, and what it is compared with."""

from keras_robust.recipes import shared
from keras_robust.recipes.grid import grid
from keras_robust.recipes.shared import RCE_A

_TRUE = shared.variant(shared.SYMMETRIC, "+true")
_OTHERS = tuple(f"{kind}:{rate}" for kind in ("asymmetric", "instance") for rate in (0.2, 0.4))
_LABELS = "noise: redrawn by these rules; the paper's own labels are files of its released code"
_DYNAMIC = (
    "bootstrap: soft in the released code, hard in Eq. 13",
    "moving: Algorithm 1; the code counts epochs from 0, so that q does not reach its end",
)

_CIFAR = {
    "paper": "dal",
    "network": "resnet18",
    "epochs": 150,
    "batch_size": 128,
    "learning_rate": 0.01,
    "schedule": "cosine",
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "augmentation": "dal",
    "contested": (_LABELS,),
}
_CIFAR10 = _CIFAR | {
    "dataset": "cifar10",
    "source": "released code, cifar.py, whose defaults for the losses are not said to be for CIFAR-10",
}
_CIFAR100 = _CIFAR | {"dataset": "cifar100", "source": "released code, cifar.py and its defaults"}
_WEBVISION = shared.WEBVISION | {
    "paper": "dal",
    "source": "released code, webvision.py and its defaults; four processes with batches of 128",
}


def _dal(base, q_start):
    return {
        "loss": f"DAL(q={q_start}, bootstrap='soft')",
        "moving": f"DALSchedule(q_start={q_start}, q_end=1.5)",
        "contested": (*base.get("contested", ()), *_DYNAMIC),
    }


def _sparse(base, lam):
    return {
        "loss": f"SparseRegularized(CE(), tau=0.5, lam={lam}, p=0.01)",
        "moving": f"HyperparameterSchedule(lam=Exponential(start={lam}, rate=1.02))",
        "contested": base.get("contested", ()),
    }


_ON_CIFAR10 = {"CE": "CE()", "GCE": "GCE(q=0.7)", "DAL": _dal(_CIFAR10, 0.6)}
_ON_CIFAR100 = {
    "CE": "CE()",
    "GCE": "GCE(q=0.7)",
    "SCE": {
        "loss": f"SCE(alpha=6, beta=1, {RCE_A})",
        "contested": (_LABELS, "beta: 0.1 in Ma et al. and Ye et al.", "source: alpha and beta as the paper has them"),
    },
    "NCE+RCE": f"NCEandRCE(alpha=10, beta=0.1, {RCE_A})",
    "BTL": {
        "loss": "BiTempered(t1=0.7, t2=1.5)",
        "contested": (_LABELS, "iterations: 5 in the code, which leaves an error in the normalizer"),
    },
    "TCE": "TCE(t=18)",
    "CE+SR": _sparse(_CIFAR100, 8),
    "JS": "JS(pi=0.5)",
    "DAL": _dal(_CIFAR100, 0.6),
}
_ON_WEBVISION = {
    "CE": "CE()",
    "NCE+RCE": f"NCEandRCE(alpha=50, beta=0.1, {RCE_A})",
    "AGCE": "AGCE(a=1e-5, q=0.5)",
    "CE+SR": _sparse(_WEBVISION, 2),
    "JS": "JS(pi=0.1)",
    "DAL": _dal(_WEBVISION, 0.4),
}

ROWS = (
    *grid(_CIFAR10, _ON_CIFAR10, (*_TRUE, *_OTHERS)),
    *grid(_CIFAR100, _ON_CIFAR100, (*_TRUE, *_OTHERS)),
    *grid(_WEBVISION, _ON_WEBVISION, (None,)),
)
