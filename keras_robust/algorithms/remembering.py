"""What algorithms share that remember something of every sample."""

from keras import ops

from keras_robust.algorithms.base import Algorithm
from keras_robust.checks import at_least, refuse


class Remembering(Algorithm):
    """An algorithm that remembers something of every sample, a distribution over the classes unless it says otherwise.

    Attributes:
        targets: what is remembered, (num_samples + 1, num_classes); the last row takes numbers out of range.
    """

    remembers = True
    #: The attribute that holds it, and its columns; None: one for each class.
    memory, columns = "targets", None

    def __init__(self, model, num_samples, num_classes, name=None):
        super().__init__(model, name=name)
        owner, count = type(self).__name__, at_least(1, integer=True)
        self.num_samples = count.check(owner, "num_samples", num_samples)
        self.num_classes = count.check(owner, "num_classes", num_classes)
        if model.outputs[0].shape[-1] != self.num_classes:
            refuse(owner, "num_classes", f"{model.outputs[0].shape[-1]}, the outputs of the model", num_classes)
        setattr(self, self.memory, self.remember(self.memory, self.num_samples, self.columns or self.num_classes))

    def kept(self, given):
        """Samples whose label is the class that the memory holds to be the most likely, and those it has seen.

        Args:
            given: class ids of the labels, (num_samples,).

        Returns:
            Boolean arrays (num_samples, 1) and (num_samples,).
        """
        remembered = ops.convert_to_numpy(self.targets)[:-1]
        return (remembered.argmax(axis=-1) == given)[:, None], remembered.any(axis=-1)

    def end_epoch(self, epoch, logs):
        self.refuse_noted_strays(getattr(self, self.memory))
