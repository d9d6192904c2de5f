"""Training algorithms: what a network is trained by, around any loss of this package."""

from keras_robust.algorithms.base import Algorithm
from keras_robust.algorithms.co_teaching import CoTeaching
from keras_robust.algorithms.co_teaching_plus import CoTeachingPlus
from keras_robust.algorithms.divide_mix import DivideMix
from keras_robust.algorithms.elr import ELR
from keras_robust.algorithms.gjs import GJS
from keras_robust.algorithms.jocor import JoCoR
from keras_robust.algorithms.mixup import Mixup
from keras_robust.algorithms.nlnl import NLNL
from keras_robust.algorithms.self_adaptive import SelfAdaptive
from keras_robust.algorithms.small_loss import SmallLoss

__all__ = [
    "ELR",
    "GJS",
    "NLNL",
    "Algorithm",
    "CoTeaching",
    "CoTeachingPlus",
    "DivideMix",
    "JoCoR",
    "Mixup",
    "SelfAdaptive",
    "SmallLoss",
]
