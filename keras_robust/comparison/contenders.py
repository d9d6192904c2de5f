"""Losses by name, as they are written on the command line."""

from dataclasses import dataclass

from keras_robust.callbacks import DALSchedule
from keras_robust.checks import refuse
from keras_robust.losses import RobustLoss
from keras_robust.losses.reading import LOSSES, read_loss


@dataclass(frozen=True)
class Contender:
    """A loss of logits that takes part in a comparison.

    Attributes:
        text: how it is written, for example "ANLCE(alpha=5, beta=5)".
        l1: factor of the L1 penalty that goes with it.
        scheduled: whether it moves during training as its paper has it: `DAL` by Algorithm 1.
    """

    text: str
    l1: float = 0.0
    scheduled: bool = False

    def loss(self) -> RobustLoss:
        return read_loss(self.text)

    @property
    def label(self) -> str:
        """How it stands in tables and pictures."""
        return f"{self.text} scheduled" if self.scheduled else self.text

    def callbacks(self) -> list:
        """Fresh callbacks for one run."""
        return [DALSchedule()] if self.scheduled else []


# What a bare name stands for on data with 10 classes; AUL, AGCE and AEL as Ou & Zhang 2023 have them on CIFAR-10.
RECOMMENDED = {
    "AUL": Contender("AUL(a=1.1, q=5)"),
    "AGCE": Contender("AGCE(a=0.1, q=0.1)"),
    "AEL": Contender("AEL(a=1.5)"),
    "ANLCE": Contender("ANLCE(alpha=5, beta=5)", l1=5e-5),
    "ANLFL": Contender("ANLFL(alpha=5, beta=5)", l1=5e-5),
    "DAL": Contender("DAL()", scheduled=True),
    "NCEandAGCE": Contender("NCEandAGCE(alpha=1, beta=4, a=6, q=1.5)"),
    "NCEandAUL": Contender("NCEandAUL(alpha=1, beta=4, a=6.3, q=1.5)"),
    "NCEandAEL": Contender("NCEandAEL(alpha=1, beta=4, a=5)"),
}


def contender(text: str) -> Contender:
    """A bare name with the arguments that suit 10 classes, "NAME(...)" exactly as written.

    Raises:
        ValueError: for anything that is not a loss of this package, or a loss that cannot be trained on.

    Example:

    >>> keras_robust.comparison.contender("ANLCE")
    Contender(text='ANLCE(alpha=5, beta=5)', l1=5e-05, scheduled=False)
    """
    found = RECOMMENDED.get(text) or Contender(f"{text}()" if text in LOSSES else text)
    if found.loss().reduction is None:
        refuse("contender", "reduction", "one that makes a number of a batch, for a loss to train on", None)
    return found
