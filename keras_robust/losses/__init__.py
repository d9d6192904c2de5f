"""Losses for learning with wrong labels, and the algebra that they are written in.

The five papers:

    Ma et al. 2020, Normalized Loss Functions for Deep Learning with Noisy Labels (active passive loss)
    Ye et al. 2023, Active Negative Loss Functions for Learning with Noisy Labels
    Li et al. 2023, Dynamics-Aware Loss for Learning with Label Noise
    Staats et al. 2023, Enhancing Noise-Robust Losses for Large-Scale Noisy Data Learning (logit bias)
    Ou & Zhang 2023, Robust loss functions under a curriculum view
"""

from keras_robust.losses.active_negative import ANLCE, ANLCEER, ANLFL, NNCE, NNFL
from keras_robust.losses.active_passive import (
    APL,
    NCE,
    NFL,
    NGCE,
    NMAE,
    NRCE,
    NCEandAEL,
    NCEandAGCE,
    NCEandAUL,
    NCEandMAE,
    NCEandRCE,
    NFLandMAE,
    NFLandRCE,
    NGCEandMAE,
    NGCEandRCE,
)
from keras_robust.losses.algebra import NegativeNormalized, Normalized, UnitWeight
from keras_robust.losses.asymmetric import AEL, AGCE, AUL
from keras_robust.losses.base import RobustLoss, WeightedSum
from keras_robust.losses.bi_tempered import BiTempered
from keras_robust.losses.bi_tempered import tempered_softmax as tempered_softmax
from keras_robust.losses.binary import Binary
from keras_robust.losses.corrected import BackwardCorrected, ForwardCorrected
from keras_robust.losses.elementary import CE, FL, GCE, MAE, RCE, SCE, TCE, PHuberCE, Poly1
from keras_robust.losses.jensen_shannon import JS
from keras_robust.losses.logit_bias import GCEStar, MAEStar, NFLandMAEStar
from keras_robust.losses.margins import LogitBias, MarginScale, MarginShift
from keras_robust.losses.peer import PeerLoss
from keras_robust.losses.whole_prediction import CR, DAL, GLS, MSE, Bootstrap, SparseRegularized

__all__ = [
    "AEL",
    "AGCE",
    "ANLCE",
    "ANLCEER",
    "ANLFL",
    "APL",
    "AUL",
    "CE",
    "CR",
    "DAL",
    "FL",
    "GCE",
    "GLS",
    "JS",
    "MAE",
    "MSE",
    "NCE",
    "NFL",
    "NGCE",
    "NMAE",
    "NNCE",
    "NNFL",
    "NRCE",
    "RCE",
    "SCE",
    "TCE",
    "BackwardCorrected",
    "BiTempered",
    "Binary",
    "Bootstrap",
    "ForwardCorrected",
    "GCEStar",
    "LogitBias",
    "MAEStar",
    "MarginScale",
    "MarginShift",
    "NCEandAEL",
    "NCEandAGCE",
    "NCEandAUL",
    "NCEandMAE",
    "NCEandRCE",
    "NFLandMAE",
    "NFLandMAEStar",
    "NFLandRCE",
    "NGCEandMAE",
    "NGCEandRCE",
    "NegativeNormalized",
    "Normalized",
    "PHuberCE",
    "PeerLoss",
    "Poly1",
    "RobustLoss",
    "SparseRegularized",
    "UnitWeight",
    "WeightedSum",
]
