"""Evidence: the few numbers of a sample on which every loss is built, read off its logits once.

    log p_y          label's log-probability            (z_y - m) - log sum exp(z - m),  m = max z
    margin           z_y - logsumexp_{i != y} z_i       p_y = sigmoid(margin)
    log p_k          all log-probabilities, only if a loss asks for them
    sum_k log p_k    sum (z_k - m) - K log sum exp(z - m), without a (batch, classes) tensor
    max_k log p_k    - log sum exp(z - m)

Each is computed on first use and then shared, so a sum of losses pays for it once. `biased`, `tempered` and
`normalized` return the evidence of changed logits. A loss that is a function of one probability is applied by
`at_label` or `over_classes` to a `Probability`, which knows its logarithm and its margin.
"""

import math
from functools import cached_property

from keras import ops

from keras_robust.labels import Ids, Targets
from keras_robust.losses.rows import log_sum_exp, read

SMALLEST = 2.0**-126  # the smallest normal float32


class Probability:
    """One probability p for each entry, by log p or by its margin log(p / (1 - p)): either may be a function to call.

    With `log_p` alone there is no accurate margin: such a probability serves losses that do not ask for it.
    """

    def __init__(self, num_classes: int, log_p=None, margin=None):
        self.num_classes = num_classes
        self._log_p, self._margin = log_p, margin

    @cached_property
    def log_p(self):
        return ops.log_sigmoid(self.margin) if self._log_p is None else _value(self._log_p)

    @cached_property
    def margin(self):
        return _value(self._margin)

    def scaled(self, factor) -> "Probability":
        """sigmoid(factor * margin)."""
        return Probability(self.num_classes, margin=lambda: factor * self.margin)

    def floored(self, smallest) -> "Probability":
        """max(p, smallest)."""
        log = math.log if isinstance(smallest, float) else ops.log
        return Probability(
            self.num_classes,
            lambda: floor(self.log_p, log(smallest)),
            lambda: floor(self.margin, log(smallest / (1.0 - smallest))),
        )


def floor(x, low):
    """max(x, low) in the dtype of x: Keras' PyTorch backend rounds a number to float32 in `maximum` and in `where`."""
    return ops.where(x > low, x, ops.zeros_like(x) + low)


def _value(x):
    return x() if callable(x) else x


class Evidence:
    """Evidence of logits (..., K), computed in their dtype, for labels read by `labels.read_labels`.

    `valid`, a boolean (...) or None, marks the samples that count where samples meet (batch means, peers). `expected`
    is what an earlier step asked its `rows` for; it changes nothing but the speed.
    """

    def __init__(self, logits, labels: Ids | Targets, valid=None, expected=frozenset()):
        self.logits = logits
        self.labels = labels
        self.valid = valid
        self.expected = expected

    @property
    def num_classes(self) -> int:
        return self.logits.shape[-1]

    # Whole prediction

    @cached_property
    def shifted(self):
        return self.logits - ops.stop_gradient(ops.max(self.logits, axis=-1, keepdims=True))

    @cached_property
    def rows(self):
        """Sums and maxima over classes."""
        return read(self.logits, self.labels.ids if self.has_ids else None, self.expected)

    @cached_property
    def log_probs(self):
        return self.rows.log_probs

    @cached_property
    def sum_log_probs(self):
        return self.rows.total

    @cached_property
    def max_log_prob(self):
        return self.rows.largest

    def sum_above(self, low):
        """Sum over k of max(log p_k - low, 0)."""
        return self.rows.above(low)

    @cached_property
    def entropy(self):
        return -ops.sum(ops.exp(self.log_probs) * self.log_probs, axis=-1)

    # Label

    @property
    def has_ids(self) -> bool:
        return isinstance(self.labels, Ids)

    def with_ids(self) -> "Evidence":
        """Evidence for the label as a class id: of a soft label its largest target."""
        if self.has_ids:
            return self
        ids = ops.cast(ops.argmax(self.labels.targets, axis=-1), "int32")
        return Evidence(self.logits, Ids(ids, self.labels.ignored, ops.zeros_like(ids, dtype="bool")), self.valid)

    @cached_property
    def log_p(self):
        """Log-probability of the label; for ids only."""
        return self.rows.at_ids

    @cached_property
    def margin(self):
        """Logit margin of the label, leave-one-out; for ids only."""
        return self.rows.margin

    @cached_property
    def margins(self):
        """Logit margins (..., K) of all classes, each as if it were the label."""
        top = ops.argmax(self.logits, axis=-1)[..., None]
        is_top = ops.equal(ops.arange(self.num_classes, dtype=top.dtype), top)
        # Only the top class can have p > 1/2, where log(1 - p) needs the leave-one-out sum.
        top_margin = ops.take_along_axis(self.logits, top, axis=-1) - log_sum_exp(
            ops.where(is_top, -math.inf, self.logits), keepdims=True
        )
        p = ops.where(is_top, 0.0, ops.exp(self.log_probs))
        return ops.where(is_top, top_margin, self.log_probs - ops.log1p(-p))

    @cached_property
    def at_ids(self):
        """Boolean (..., K), true at the label; for ids only."""
        return ops.equal(ops.arange(self.num_classes, dtype="int32"), self.labels.ids[..., None])

    def pick(self, values):
        """Entry of `values` (..., K) at the label; for ids only."""
        return self.rows.pick(values)

    @cached_property
    def label(self) -> Probability:
        """Probability of the label; for ids only."""
        return Probability(self.num_classes, lambda: self.log_p, lambda: self.margin)

    @cached_property
    def classes(self) -> Probability:
        """Probabilities (..., K) of all classes."""
        return Probability(self.num_classes, lambda: self.log_probs, lambda: self.margins)

    def at_label(self, function):
        """`function(probability)` at the label, or its expectation under soft labels."""
        if self.has_ids:
            return function(self.label)
        return ops.sum(self.labels.targets * function(self.classes), axis=-1)

    def over_classes(self, function):
        """Sum of `function(probability)` over all classes."""
        return ops.sum(function(self.classes), axis=-1)

    @property
    def label_mass(self):
        """1 for ids, the sum of the targets for soft labels."""
        return 1.0 if self.has_ids else ops.sum(self.labels.targets, axis=-1)

    # Evidence of changed logits

    def biased(self, epsilon) -> "Evidence":
        """Evidence of z + epsilon t: a bias on the label's logit."""
        if self.has_ids:
            return _Biased(self, epsilon)
        return Evidence(self.logits + epsilon * self.labels.targets, self.labels, self.valid)

    def tempered(self, t, iterations) -> "Evidence":
        """Evidence of the tempered softmax of temperature t >= 1."""
        return _Tempered(self, t, iterations)

    def normalized(self, tau) -> "Evidence":
        """Evidence of z / (tau |z|_2). A vector of zeros stays one, with the gradient of z / tau."""
        squares = ops.sum(ops.square(self.logits), axis=-1, keepdims=True)
        norm = ops.where(squares > SMALLEST, ops.sqrt(ops.where(squares > SMALLEST, squares, 1.0)), 1.0)
        return Evidence(self.logits / (tau * norm), self.labels, self.valid)


class _Changed(Evidence):
    """Evidence that is derived from another's."""

    def __init__(self, plain: Evidence):
        self.plain, self.labels, self.valid, self.expected = plain, plain.labels, plain.valid, frozenset()

    @property
    def num_classes(self):
        return self.plain.num_classes

    def pick(self, values):
        return self.plain.pick(values)


class _Biased(_Changed):
    """Works on the margin where only the label is asked for; then no (batch, classes) tensor is made."""

    def __init__(self, plain: Evidence, epsilon):
        super().__init__(plain)
        self.epsilon = epsilon

    @cached_property
    def logits(self):
        return ops.where(self.at_ids, self.plain.logits + self.epsilon, self.plain.logits)

    @cached_property
    def margin(self):
        return self.plain.margin + self.epsilon

    @cached_property
    def log_p(self):
        return ops.log_sigmoid(self.margin)


class _Tempered(_Changed):
    def __init__(self, plain: Evidence, t, iterations):
        super().__init__(plain)
        self.t, self.iterations = t, iterations

    @cached_property
    def log_p(self):
        return self.pick(self.log_probs)

    @cached_property
    def log_probs(self):
        """log p_k = -u - log(c_k) / a with c_k = 1 - a s_k exp(-a u), a = t - 1, shifted logits s.

        u = -log p_max lies in [0, log K] and makes the p_k sum to 1; written in it nothing overflows. Newton's steps
        are taken on S^-a - 1, S = sum p, as a function of exp(a u): it is concave and rising, so that steps from u = 0
        never overshoot, and one step is exact for t = 1, for equal logits and for one large one. The last step carries
        the derivative of the implicit function u(s).
        """
        a, s = self.t - 1.0, self.plain.shifted
        frozen = ops.stop_gradient(s)

        def log_probs(s, u):
            return -u[..., None] - _over(ops.log1p, a, -s * ops.exp(-a * u)[..., None])

        def slope(log_p, u):
            """- dS / du = sum p_k / c_k."""
            return ops.sum(ops.exp(log_p) / (1.0 - a * frozen * ops.exp(-a * u)[..., None]), axis=-1)

        def step(_, u):
            log_p = log_probs(frozen, u)
            log_total = log_sum_exp(log_p)
            ratio = ops.exp(log_total) / slope(log_p, u)
            return u + log_total + _over(ops.log1p, a, (ratio - 1.0) * -_over(ops.expm1, a, -log_total))

        u = ops.stop_gradient(ops.fori_loop(0, self.iterations, step, ops.zeros_like(frozen[..., 0])))
        log_p = log_probs(s, u)
        excess = ops.sum(ops.exp(log_p), axis=-1) - 1.0
        return log_probs(s, u + excess / ops.stop_gradient(slope(log_p, u)))


def _over(function, a, x):
    """function(a x) / a for log1p or expm1, and the limit x of both at a = 0."""
    if isinstance(a, float):
        return x if a <= SMALLEST else function(a * x) / a
    safe = ops.where(a <= SMALLEST, 1.0, a)
    return ops.where(a <= SMALLEST, x, function(safe * x) / safe)
