"""The table of cases: a row for every public loss, with its reference written from the papers.

A row names the public class, makes the loss, and gives a function (logits, label) -> loss in many digits. Losses that
couple the samples of a batch have their own rows below.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import reference as ref
from reference import PROBABILITY as P
from reference import REFERENCE as R

import keras_robust as kr


@dataclass(frozen=True)
class Case:
    name: str
    make: Callable
    reference: Callable
    id: str
    from_logits_only: bool = False


def _case(kind, /, *args, reference=None, note="", **params):
    """A row; named parameters go to the loss and, without a reference of its own, to the reference too."""
    name = kind.__name__
    reference = partial(R[name], **params) if reference is None else reference
    numbers = ",".join(f"{key}={value}" for key, value in params.items() if not isinstance(value, kr.RobustLoss))
    return Case(
        name,
        partial(kind, *args, **params),
        reference,
        f"{name}({note}{numbers})",
        from_logits_only=kind is kr.SparseRegularized,
    )


CASES = [
    _case(kr.CE),
    _case(kr.FL, gamma=0.5),
    _case(kr.FL, gamma=2.0),
    _case(kr.FL, gamma=0.0),
    _case(kr.MAE),
    _case(kr.RCE, A=-4.0),
    _case(kr.GCE, q=0.7),
    _case(kr.GCE, q=0.0),
    _case(kr.GCE, q=1e-6),
    _case(kr.GCE, q=1.0),
    _case(kr.GCE, q=1.5),
    _case(kr.SCE, alpha=0.1, beta=1.0, A=-4.0),
    _case(kr.TCE, t=1),
    _case(kr.TCE, t=2),
    _case(kr.TCE, t=20),
    _case(kr.AUL, a=6.3, q=1.5),
    _case(kr.AUL, a=1.1, q=5.0),
    _case(kr.AUL, a=3.0, q=0.1),
    _case(kr.AGCE, a=0.6, q=0.6),
    _case(kr.AGCE, a=1e-5, q=0.5),
    _case(kr.AGCE, a=4.0, q=0.2),
    _case(kr.AEL, a=2.5),
    _case(kr.MSE, alpha=0.5),
    _case(kr.JS, pi=0.0),
    _case(kr.JS, pi=1e-4),
    _case(kr.JS, pi=0.1),
    _case(kr.JS, pi=0.5),
    _case(kr.JS, pi=0.9),
    _case(kr.JS, pi=0.9999),
    _case(kr.JS, pi=1.0),
    _case(kr.Poly1, epsilon=1.0),
    _case(kr.Poly1, epsilon=-1.0),
    _case(kr.PHuberCE, tau=10.0),
    _case(kr.PHuberCE, tau=1.0),
    _case(kr.BiTempered, t1=0.8, t2=1.2),
    _case(kr.BiTempered, t1=0.5, t2=2.0),
    _case(kr.BiTempered, t1=0.0, t2=4.0),
    _case(kr.BiTempered, t1=1.0, t2=1.0),
    _case(kr.NCE),
    _case(kr.NFL, gamma=0.5),
    _case(kr.NMAE),
    _case(kr.NRCE, A=-4.0),
    _case(kr.NGCE, q=0.7),
    _case(kr.NNCE, p_min=1e-7),
    _case(kr.NNFL, gamma=0.5, p_min=1e-7),
    _case(kr.ANLCE, alpha=5.0, beta=5.0, p_min=1e-7),
    _case(kr.ANLCE, alpha=1.0, beta=2.0, p_min=5e-4),
    _case(kr.ANLFL, alpha=5.0, beta=1.0, gamma=0.5, p_min=1e-7),
    _case(kr.NCEandMAE, alpha=1.0, beta=10.0),
    _case(kr.NCEandRCE, alpha=10.0, beta=0.1, A=-9.2103),
    _case(kr.NFLandMAE, alpha=1.0, beta=1.0, gamma=0.5),
    _case(kr.NFLandRCE, alpha=1.0, beta=1.0, gamma=0.5, A=-4.0),
    _case(kr.NGCEandMAE, alpha=1.0, beta=1.0, q=0.1),
    _case(kr.NGCEandRCE, alpha=1.0, beta=1.0, q=0.7, A=-4.0),
    _case(kr.NCEandAGCE, alpha=1.0, beta=4.0, a=6.0, q=1.5),
    _case(kr.NCEandAUL, alpha=1.0, beta=4.0, a=6.3, q=1.5),
    _case(kr.NCEandAEL, alpha=1.0, beta=4.0, a=5.0),
    _case(kr.APL, kr.NCE(), kr.MAE(), alpha=2.0, beta=3.0, reference=partial(R["NCEandMAE"], alpha=2.0, beta=3.0)),
    _case(kr.Bootstrap, kind="hard"),
    _case(kr.Bootstrap, kind="soft"),
    _case(kr.DAL, q=0.6, lam=0.0, bootstrap="hard"),
    _case(kr.DAL, q=1.2, lam=0.5, bootstrap="hard"),
    _case(kr.DAL, q=1.5, lam=1.0, bootstrap="soft"),
    _case(kr.GLS, alpha=0.1),
    _case(kr.GLS, alpha=-1.0),
    _case(kr.CR, beta=0.5),
    _case(kr.MAEStar, epsilon=2.3),
    _case(kr.GCEStar, q=0.7, epsilon=-1.5),
    _case(kr.NFLandMAEStar, alpha=1.0, beta=0.4, gamma=0.5, epsilon=3.0),
    _case(kr.LogitBias, kr.NCE(), epsilon=1.5, note="NCE,", reference=ref.logit_bias(R["NCE"], 1.5)),
    _case(kr.MarginShift, kr.MAE(), tau=2.6, expected_margin=5.1, reference=ref.margin_shift(R["MAE"], 2.6, 5.1)),
    _case(kr.MarginScale, kr.MAE(), tau=2.6, expected_margin=5.1, reference=ref.margin_scale(P["MAE"], 2.6, 5.1)),
    _case(
        kr.MarginScale,
        kr.AGCE(0.1, 0.1),
        tau=4.0,
        expected_margin=2.6,
        note="AGCE,",
        reference=ref.margin_scale(partial(P["AGCE"], a=0.1, q=0.1), 4.0, 2.6),
    ),
    _case(kr.Normalized, kr.AGCE(0.6, 0.6), reference=ref.normalized(partial(P["AGCE"], a=0.6, q=0.6))),
    _case(
        kr.NegativeNormalized,
        kr.GCE(0.7),
        p_min=1e-4,
        reference=ref.negative_normalized(partial(P["GCE"], q=0.7), 1e-4),
    ),
    _case(kr.UnitWeight, kr.MAE(), note="MAE", reference=ref.unit_weight(P["MAE"])),
    _case(kr.UnitWeight, kr.CE(), note="CE", reference=ref.unit_weight(P["CE"])),
    _case(kr.UnitWeight, kr.PHuberCE(4.0), note="PHuber", reference=ref.unit_weight(partial(P["PHuberCE"], tau=4.0))),
    _case(
        kr.SparseRegularized,
        kr.CE(),
        tau=0.5,
        lam=1.5,
        p=0.1,
        reference=ref.sparse_regularized(R["CE"], 0.5, 1.5, 0.1),
    ),
    Case(
        "WeightedSum",
        lambda **keywords: 2.0 * kr.NCE(**keywords) + 0.5 * kr.GCE(0.5) + kr.MSE(),
        lambda z, y: 2.0 * R["NCE"](z, y) + 0.5 * R["GCE"](z, y, q=0.5) + R["MSE"](z, y, alpha=0.5),
        "2*NCE+0.5*GCE+MSE",
    ),
]

#: Losses that are not of K classes for any K: (class, make); their tests are in test_binary and test_corrected.
OTHER_CASES = [
    (kr.Binary, partial(kr.Binary, kr.CE())),
    (kr.ForwardCorrected, partial(kr.ForwardCorrected, kr.CE(), ref.TRANSITION)),
    (kr.BackwardCorrected, partial(kr.BackwardCorrected, kr.CE(), ref.TRANSITION)),
]

#: Losses in which samples of a batch meet: (class, make, reference of a whole batch).
BATCH_CASES = [
    (kr.ANLCEER, partial(kr.ANLCEER, 5.0, 1.0, 0.5), partial(ref.anlceer, alpha=5.0, beta=1.0, lam=0.5, p_min=1e-7)),
    (kr.PeerLoss, partial(kr.PeerLoss, kr.CE(), 0.4), lambda Z, Y: ref.peer(R["CE"], Z, Y, 0.4)),
]

#: The public names of all losses that have rows.
NAMES = {case.name for case in CASES} | {kind.__name__ for kind, *_ in BATCH_CASES + OTHER_CASES}
