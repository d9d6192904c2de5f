"""How Keras calls a loss, and what else can be asked of it about the samples of a batch."""

from typing import Any, NamedTuple

from keras import ops
from keras.src.backend.common.masking import get_keras_mask

from keras_robust import backend
from keras_robust.losses.declaration import DeclaredLoss
from keras_robust.losses.inputs import align_weights, as_predictions, reduce_losses, warn_about_predictions
from keras_robust.losses.samples import samples_of


class SampleStatistics(NamedTuple):
    """What a loss makes of each sample: tensors (...).

    Attributes:
        margin: logit margin of the label, before any bias that the loss adds.
        weight: the implicit weight; NaN for a batch-coupled loss, which has none.
        loss: the loss of the sample.
        label: class id of the label; the largest target of a soft one.
        predicted: class id of the largest logit.
    """

    margin: Any
    weight: Any
    loss: Any
    label: Any
    predicted: Any


class CalledLoss(DeclaredLoss):
    """What is done with `y_true` and `y_pred` around the formula of a loss."""

    #: Read by TensorFlow's AutoGraph: there is nothing to convert.
    autograph_info__ = None

    #: Whether a compiled step of some model holds the numbers that this loss had when it was compiled.
    is_compiled = False

    def with_parts(self):
        """This loss and all that it is made of."""
        yield self
        for part in self.parts.values():
            yield from part.with_parts()

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The reduced loss; see `keras.losses.Loss`. Ids keep their dtype, NaNs under weight 0 stay out."""
        with backend.name_scope(self.name):
            mask = get_keras_mask(y_pred)
            y_pred = as_predictions(y_pred)
            shape = tuple(y_pred.shape[:-1])
            if mask is not None:
                mask = align_weights(ops.cast(mask, "bool"), shape, "The mask of y_pred")
            if sample_weight is not None:
                sample_weight = align_weights(sample_weight, shape)
            losses, mask = self._losses(y_true, y_pred, mask, sample_weight)
            return reduce_losses(losses, sample_weight, mask, self.reduction)

    @backend.not_converted
    def call(self, y_true, y_pred):
        """The loss of each sample, of shape `y_pred.shape[:-1]`; 0 for samples of the class to ignore."""
        return self._losses(y_true, as_predictions(y_pred))[0]

    @backend.not_converted
    def implicit_weight(self, y_true, y_pred) -> Any:
        """The weight that the loss gives each sample, of shape `y_pred.shape[:-1]` and at least 0.

        For a function of the label's margin this is |dL / dmargin|; for a loss that also depends on the other classes,
        half the L1 norm of its gradient in the logits. The two agree where both exist.

        Reference: Ou & Zhang 2023, with the sign of the weight taken positive.

        Raises:
            ValueError: for a batch-coupled loss, whose gradient does not belong to one sample.
        """
        if self.batch_coupled:
            raise ValueError(
                f"{type(self).__name__} has no implicit sample weight: its gradient in the logits of one sample "
                "depends on the other samples of the batch."
            )
        samples = self._samples(y_true, as_predictions(y_pred))
        weight = samples.weights(self)
        return weight if samples.ignored is None else backend.select(samples.ignored, 0.0, weight)

    @backend.not_converted
    def sample_statistics(self, y_true, y_pred) -> SampleStatistics:
        """Margin, implicit weight, loss, label and prediction of each sample, each of shape `y_pred.shape[:-1]`.

        No gradient flows through them. A sample of the class to ignore has weight and loss 0, and no label: its label
        is -1 and its margin NaN.

        Raises:
            ValueError: for samples with more than one yes/no output.
        """
        return self._statistics(self._samples(y_true, ops.stop_gradient(as_predictions(y_pred))))

    @backend.not_converted
    def position_statistics(self, y_true, y_pred) -> SampleStatistics:
        """`sample_statistics` of each position, (batch, positions...): pixels, time steps, yes/no outputs.

        Several yes/no outputs are positions, the last axis of `y_pred`; else it holds classes, or the one output, and
        what is left of `y_pred.shape[:-1]` are positions.
        """
        samples = self._samples(y_true, ops.stop_gradient(as_predictions(y_pred)))
        return self._statistics(samples.apart() if self.outputs_are_positions(y_pred) else samples)

    def outputs_are_positions(self, y_pred) -> bool:
        """Whether the last axis of predictions, or of a shape, holds several yes/no outputs."""
        return self.asks_questions and getattr(y_pred, "shape", y_pred)[-1] != 1

    def _statistics(self, samples):
        margin, label, predicted = samples.statistics(self)
        loss = samples.losses(self)
        weight = ops.zeros_like(loss) + float("nan") if self.batch_coupled else samples.weights(self)
        if samples.ignored is not None:
            loss, weight = backend.select(samples.ignored, 0.0, loss), backend.select(samples.ignored, 0.0, weight)
        return SampleStatistics(margin, weight, loss, label, predicted)

    def _samples(self, y_true, y_pred, counted=None):
        if not self._warned:
            self._warned = warn_about_predictions(self.name, self.from_logits, y_pred, self.asks_questions)
        return samples_of(self, y_true, y_pred, counted)

    def _losses(self, y_true, y_pred, mask=None, sample_weight=None):
        """Loss of each sample, and which of them enter the mean (None: all)."""
        counted = mask
        if sample_weight is not None:
            weighted = ops.logical_not(backend.equals(sample_weight, 0))
            counted = weighted if mask is None else ops.logical_and(mask, weighted)
        if counted is not None:
            counted = ops.logical_and(counted, ops.ones_like(y_pred[..., 0], dtype="bool"))
        samples = self._samples(y_true, y_pred, counted)
        if backend.is_traced(y_pred):
            self.is_compiled = True
        if 0 in y_pred.shape:  # a batch without samples, of which TensorFlow takes no maximum
            return ops.sum(ops.cast(y_pred, samples.logits.dtype), axis=-1), None
        losses = samples.losses(self)
        if samples.valid is not None:
            losses = backend.select(samples.valid, losses, 0.0)
        if backend.is_concrete(losses) and bool(ops.any(ops.isnan(losses))):
            samples.explain_nan(self, y_true, y_pred)
        if samples.ignored is not None:
            kept = ops.logical_not(samples.ignored)
            mask = kept if mask is None else ops.logical_and(mask, kept)
        return losses, None if mask is None else ops.logical_and(mask, ops.ones_like(losses, dtype="bool"))
