"""The samples of a batch as a loss meets them: each of one of K classes, or with answers to C yes/no questions.

A question is the problem of two classes with the logits (0, z), or (log(1 - s), log s) for a probability s.
"""

import keras
from keras import ops

from keras_robust import backend
from keras_robust.labels import Ids, Targets, read_answers, read_labels
from keras_robust.losses.evidence import OfIds
from keras_robust.losses.evidence import evidence as evidence_of
from keras_robust.losses.inputs import (
    explain_answers,
    explain_classes,
    log_of_probabilities,
    logits_of_answers,
)


def samples_of(loss, y_true, y_pred, counted=None):
    """The samples of a batch as `loss` reads them; `counted` is a boolean (...) or None: all may count."""
    kind = Questions if loss.asks_questions or y_pred.shape[-1] == 1 else Choices
    return kind(loss, y_true, y_pred, counted)


class Choices:
    """Samples of one of K classes, `y_pred` (..., K).

    Attributes:
        logits: (..., K).
        valid: the samples that count, a boolean (...) or None: all.
        ignored: the samples of the class to ignore, a boolean (...) or None: none.
    """

    def __init__(self, loss, y_true, y_pred, counted):
        dtype = compute_dtype(loss, y_pred)
        self.labels = read_labels(y_true, y_pred, loss.ignore_class, dtype)
        self.ignored, self.y_pred = self.labels.ignored, y_pred
        self.valid = _both(None if self.ignored is None else ops.logical_not(self.ignored), counted)
        if self.valid is not None:
            # A sample that does not count must not even bring a NaN: 0 * NaN is NaN, in gradients too.
            y_pred = backend.select(self.valid[..., None], y_pred, ops.ones_like(y_pred))
        self.logits = ops.cast(y_pred, dtype) if loss.from_logits else log_of_probabilities(y_pred, dtype)

    def evidence(self, loss):
        return evidence_of(self.logits, self.labels, self.valid, loss.reads)

    def losses(self, loss):
        """Loss (...) of each sample; NaN where the label makes no sense."""
        return backend.select(self.labels.wrong, float("nan"), loss.per_sample(self.evidence(loss)))

    def weights(self, loss):
        """Implicit weight (...) of each sample."""
        evidence = self.evidence(loss)
        if loss.of_margin and evidence.has_ids:
            return ops.abs(loss.weight_at_margin(evidence.margin, evidence.num_classes))
        return _half_of_slope(lambda z: loss.per_sample(evidence.of_logits(z)), self.logits)

    def statistics(self, loss):
        """Margin, label and prediction (...) of each sample; no label and no margin where it is ignored."""
        hard = self.evidence(loss).with_ids()
        margin, label = hard.margin, hard.labels.ids
        if self.ignored is not None:
            margin, label = backend.select(self.ignored, float("nan"), margin), backend.select(self.ignored, -1, label)
        return margin, label, ops.cast(ops.argmax(self.y_pred, axis=-1), "int32")

    def explain_nan(self, loss, y_true, y_pred):
        explain_classes(type(loss).__name__, loss.from_logits, y_true, y_pred, self.labels, self.valid)


class Questions:
    """Samples with answers to C yes/no questions, `y_pred` (..., C).

    Attributes:
        logits: (..., C, 2), of no and of yes.
        counted: the outputs that count, a boolean (..., C) or None: all.
        valid: the samples with an output that counts, a boolean (...) or None: all.
        ignored: the samples whose outputs are all ignored, a boolean (...) or None: none.
    """

    def __init__(self, loss, y_true, y_pred, counted):
        for part in loss.with_parts():
            if not part.takes_one_logit:
                raise ValueError(
                    f"{type(part).__name__} cannot learn from yes/no outputs: where there is one logit, its gradient "
                    f"is exactly 0. Received: y_pred of shape {tuple(y_pred.shape)}."
                )
        dtype = compute_dtype(loss, y_pred)
        self.labels = read_answers(y_true, y_pred, loss.ignore_class, dtype)
        self.counted = self.ignored = self.valid = None
        if self.labels.ignored is not None:
            self.counted = ops.logical_not(self.labels.ignored)
            self.ignored = ops.all(self.labels.ignored, axis=-1)
        if counted is not None:
            outputs = ops.logical_and(counted[..., None], ops.ones_like(y_pred, dtype="bool"))
            self.counted = _both(self.counted, outputs)
        self.y_pred, self.boundary = y_pred, 0.0 if loss.from_logits else 0.5
        if self.counted is not None:
            self.valid = ops.any(self.counted, axis=-1)
            y_pred = backend.select(self.counted, y_pred, 0.5 * ops.ones_like(y_pred))
        self.logits = logits_of_answers(y_pred, loss.from_logits, dtype)
        self.is_apart = False

    def apart(self):
        """The same, each output for itself: what is asked of it has shape (..., C)."""
        changed = self._with(self.logits)
        changed.is_apart, changed.ignored = True, self.labels.ignored
        return changed

    def losses(self, loss):
        """Loss (...) of each sample, the mean over its outputs that count; NaN where an answer makes no sense."""
        return self._mean(backend.select(self.labels.wrong, float("nan"), loss.of_questions(self)))

    def weights(self, loss):
        """Mean over the outputs that count of the implicit weights (..., C), abs(dL / dz)."""
        return self._mean(_half_of_slope(lambda z: loss.of_questions(self._with(z)), self.logits))

    def statistics(self, loss):
        """Margin, label and prediction (...) of the one output of each sample."""
        if self.logits.shape[-2] != 1 and not self.is_apart:
            raise ValueError(
                f"Margin, label and prediction of a sample are those of one output. Received: y_pred with "
                f"{self.logits.shape[-2]} yes/no outputs, shape {tuple(self.logits.shape[:-1])}."
            )
        margin = self.logits[..., 1] - self.logits[..., 0]
        yes, predicted = self.labels.answers > (0 if self.labels.are_hard else 0.5), self.y_pred > self.boundary
        if not self.is_apart:
            margin, yes, predicted = margin[..., 0], yes[..., 0], predicted[..., 0]
        margin, label = backend.select(yes, margin, -margin), ops.cast(yes, "int32")
        if self.ignored is not None:
            margin, label = backend.select(self.ignored, float("nan"), margin), backend.select(self.ignored, -1, label)
        return margin, label, ops.cast(predicted, "int32")

    def explain_nan(self, loss, y_true, y_pred):
        explain_answers(type(loss).__name__, loss.from_logits, y_true, y_pred, self.labels, self.counted)

    def expected(self, loss, weight_of_yes=None):
        """The loss (..., C) of each output: that of its answer, or the expected one of a soft answer.

        `weight_of_yes`, a tensor that fits (..., C), multiplies the part of yes.
        """
        answers = self.labels.answers
        share = ops.cast(answers, self.logits.dtype)
        if self.labels.are_hard:
            losses = loss.per_sample(evidence_of(self.logits, self._always(answers), self.counted, loss.reads))
        elif loss.batch_coupled:
            targets = Targets(ops.stack([1.0 - share, share], axis=-1), None)
            losses = loss.per_sample(evidence_of(self.logits, targets, self.counted, loss.reads))
        else:
            # The two answers one by one, as ids: so no digit is lost where a float is 0 or 1.
            yes, no = self._if(loss, 1, share), self._if(loss, 0, 1.0 - share)
            yes = yes if weight_of_yes is None else yes * weight_of_yes
            return share * yes + (1.0 - share) * no
        return losses if weight_of_yes is None else losses * (1.0 + share * (weight_of_yes - 1.0))

    def _if(self, loss, answer, share):
        labels = self._always(ops.zeros_like(share, dtype="int32") + answer)
        return loss.per_sample(OfAnswer(self.logits, labels, self.counted, loss.reads, share=share))

    @staticmethod
    def _always(ids):
        return Ids(ids, None, ops.zeros_like(ids, dtype="bool"))

    def _with(self, logits):
        changed = object.__new__(Questions)
        changed.__dict__.update(self.__dict__, logits=logits)
        return changed

    def _mean(self, values):
        if self.is_apart:
            return values
        if values.shape[-1] == 1:
            return ops.squeeze(values, axis=-1)
        if self.counted is None:
            return ops.sum(values, axis=-1) / values.shape[-1]
        number = ops.sum(ops.cast(self.counted, values.dtype), axis=-1)
        return ops.sum(backend.select(self.counted, values, 0.0), axis=-1) / backend.select(number == 0, 1.0, number)


class OfAnswer(OfIds):
    """Evidence of one of two answers that has a share of the label: of a bias epsilon t it sees the difference."""

    def __init__(self, *args, share):
        super().__init__(*args)
        self.share = share

    def biased(self, epsilon):
        bias = self.bias + epsilon * (2.0 * self.share - 1.0)
        changed = OfAnswer(self.logits, self.labels, self.valid, self.reads, bias, share=self.share)
        changed.rows = self.rows
        return changed


def compute_dtype(loss, y_pred):
    """float64 where the predictions are, or where the loss was told so; else float32."""
    given = keras.backend.standardize_dtype(y_pred.dtype)
    if not loss._dtype_is_default:
        given = "float32"
    return "float64" if "float64" in (given, loss.dtype) else "float32"


def _both(first, second):
    if first is None or second is None:
        return second if first is None else first
    return ops.logical_and(first, second)


def _half_of_slope(function, logits):
    """Half the L1 norm of the gradient of `function` in each row of logits."""
    return 0.5 * ops.sum(ops.abs(backend.gradient(function, logits)), axis=-1)
