"""The elementary losses: each a function of one log-probability, with its slope beside it.

`loss(log_p)` is the loss of a sample whose label has probability p = exp(log_p), and

    loss_slope(log_p) = - d loss / d log_p

so that the gradient in the logits is slope * (p_k - [k = y]) and the implicit sample weight slope * (1 - p).
Parameters are floats, or scalar tensors where they move during training; limits (q -> 0, pi -> 0, pi -> 1) are exact
for both. Derivatives come from the backend's autodiff: each formula is written so that its derivative is right too.
"""

import math

from keras import ops

from keras_robust.losses.evidence import SMALLEST, floor


def one_minus_exp(x):
    """1 - exp(x) for x <= 0, exact near 0, with the derivative -exp(x) everywhere.

    `-expm1(x)` alone will not do: JAX and PyTorch compute its derivative as expm1(x) + 1, which is 0 below -17.
    """
    return ops.where(x > -0.5, -ops.expm1(x), 1.0 - ops.exp(x))


def where(condition, then, otherwise):
    """`then()` or `otherwise()`: chosen now for a plain bool, by `ops.where` for a tensor."""
    if isinstance(condition, bool):
        return then() if condition else otherwise()
    return ops.where(condition, then(), otherwise())


def ceiling(x, high):
    """min(x, high) in the dtype of x."""
    return ops.where(x < high, x, ops.zeros_like(x) + high)


def away_from_zero(x):
    """x, or 1 where x is so small that dividing by it fails: for use inside `where` only."""
    return where(x <= SMALLEST, lambda: 1.0, lambda: x)


def ce(log_p):
    return -log_p


def ce_slope(log_p):
    return ops.ones_like(log_p)


def mae(log_p):
    return 1.0 - ops.exp(log_p)


def mae_slope(log_p):
    return ops.exp(log_p)


def fl(log_p, gamma):
    return -log_p * _focal_base(log_p) ** gamma


def fl_slope(log_p, gamma):
    u = _focal_base(log_p)
    return u**gamma * (1.0 - gamma * log_p * ops.exp(log_p) / u)


def _focal_base(log_p):
    """1 - p, kept above 0: a power of it has no derivative there."""
    return floor(one_minus_exp(log_p), SMALLEST)


def rce(log_p, A):
    return -A * mae(log_p)


def rce_slope(log_p, A):
    return -A * mae_slope(log_p)


def gce(log_p, q):
    return where(q <= SMALLEST, lambda: -log_p, lambda: one_minus_exp(q * log_p) / away_from_zero(q))


def gce_slope(log_p, q):
    return ops.exp(q * log_p)


def tce(log_p, t, t_max):
    """Horner's scheme; a term above a t that moves is switched off."""
    u, total = one_minus_exp(log_p), 0.0
    for i in range(t_max, 0, -1):
        total = u * (total + _switch(i - 0.5 <= t) / i)
    return total


def tce_slope(log_p, t, t_max):
    u, total = one_minus_exp(log_p), 0.0
    for i in range(t_max, 0, -1):
        total = u * total + _switch(i - 0.5 <= t)
    return ops.exp(log_p) * total


def _switch(condition):
    return 1.0 if condition is True else 0.0 if condition is False else ops.cast(condition, "float32")


def aul(log_p, a, q):
    x = -q * ops.log1p(one_minus_exp(log_p) / (a - 1.0))
    return (a - ops.exp(log_p)) ** q * one_minus_exp(x) / q


def aul_slope(log_p, a, q):
    return ops.exp(log_p) * (a - ops.exp(log_p)) ** (q - 1.0)


def agce(log_p, a, q):
    x = q * (_log_plus(log_p, a) - _log1p(a))
    return (a + 1.0) ** q * one_minus_exp(x) / q


def agce_slope(log_p, a, q):
    return ops.exp(log_p + (q - 1.0) * _log_plus(log_p, a))


def _log_plus(log_p, a):
    """log(a + p), which does not underflow with p."""
    top = ops.stop_gradient(floor(log_p, log(a)))
    return top + ops.log(ops.exp(log_p - top) + ops.exp(log(a) - top))


def ael(log_p, a):
    return ops.exp(-ops.exp(log_p) / a)


def ael_slope(log_p, a):
    return ops.exp(log_p) / a * ael(log_p, a)


def js(log_p, pi):
    return where(
        pi <= SMALLEST,
        lambda: ce(log_p),
        lambda: where(pi >= 1.0, lambda: mae(log_p), lambda: _js(log_p, *_inside(pi))),
    )


def js_slope(log_p, pi):
    return where(
        pi <= SMALLEST,
        lambda: ce_slope(log_p),
        lambda: where(pi >= 1.0, lambda: mae_slope(log_p), lambda: _js_slope(log_p, *_inside(pi))),
    )


def _js(log_p, pi, rest):
    """With m = pi + (1 - pi) p, the mixture at the label, and s = log(m / p)."""
    p, u, s = ops.exp(log_p), one_minus_exp(log_p), _js_log_ratio(log_p, pi, rest)
    log_m = where(pi >= 0.5, lambda: ops.log1p(-rest * u), lambda: log_p + s)
    return (pi * log_m + rest * (p * s + u * log(rest))) / (rest * log(rest))


def _js_slope(log_p, pi, rest):
    return ops.exp(log_p) * (1.0 - _js_log_ratio(log_p, pi, rest) / log(rest))


def _js_log_ratio(log_p, pi, rest):
    """s = log(1 + pi (1 - p) / p) in two forms: the first is exact for small s, the second never overflows."""
    surprise = -log_p
    near = ops.log1p(pi * ops.expm1(ceiling(surprise, 20.0)))
    far = surprise + ops.log(pi + rest * ops.exp(-surprise))
    return ops.where(surprise < 20.0, near, far)


def _inside(pi):
    """pi and 1 - pi with both ends replaced: for use inside `where` only."""
    if isinstance(pi, float):
        return pi, 1.0 - pi
    pi = ops.where(ops.logical_or(pi <= SMALLEST, pi >= 1.0), 0.5, pi)
    return pi, 1.0 - pi


def phuber(log_p, tau):
    border = -log(tau)
    line = 1.0 - border - tau * ops.exp(ceiling(log_p, border))
    return ops.where(log_p > border, -log_p, line)


def phuber_slope(log_p, tau):
    return ceiling(tau * ops.exp(log_p), 1.0)


def log(x):
    return math.log(x) if isinstance(x, float) else ops.log(x)


def _log1p(x):
    return math.log1p(x) if isinstance(x, float) else ops.log1p(x)
