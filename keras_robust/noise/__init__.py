"""Wrong labels on purpose: transition matrices T[i, j] = P(noisy = j | clean = i), and drawing from them."""

from keras_robust.noise.annotators import Votes, votes
from keras_robust.noise.backdoor import Backdoor, add_trigger, attack_success_rate, backdoor
from keras_robust.noise.corruption import NoisyLabels, corrupt
from keras_robust.noise.estimate import Estimate, estimate
from keras_robust.noise.human import human
from keras_robust.noise.instance import instance_dependent
from keras_robust.noise.specification import draw, from_spec
from keras_robust.noise.stream import stream
from keras_robust.noise.transition import asymmetric, pair_flip, symmetric

__all__ = [
    "Backdoor",
    "Estimate",
    "NoisyLabels",
    "Votes",
    "add_trigger",
    "asymmetric",
    "attack_success_rate",
    "backdoor",
    "corrupt",
    "draw",
    "estimate",
    "from_spec",
    "human",
    "instance_dependent",
    "pair_flip",
    "stream",
    "symmetric",
    "votes",
]
