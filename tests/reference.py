"""The losses in many digits, written from DESIGN.md and the papers; nothing of the package is used.

A loss is a function (logits, label) -> mpf of one sample; its parameters are keywords named as the package names them.
`REFERENCE` holds the losses by public class name and `PROBABILITY` the elementary ones as functions of one probability;
the lower-case functions make wrapped and batch losses of these; `value` and `gradient` evaluate a loss on numpy arrays.
All is written in probability space with the textbook's softmax and clips nothing: mpf exponents have no bounds.
`value` and `gradient` compute once, and read from a file afterwards: `cache.py` says what makes them compute anew.
"""

from functools import cache, lru_cache, partial, wraps

import numpy as np
from cache import cached
from mpmath import fp, mp, mpf

mp.dps = 150

#: Of central differences; their error is its square.
STEP = mpf("1e-20")


@cached
def value(function, logits, ids):
    """Losses of the rows of logits (batch, classes), as a float64 array (batch,)."""
    losses = np.empty(len(logits))
    for i, (row, label) in enumerate(zip(logits, ids, strict=True)):
        with _precision(row):
            losses[i] = function(exact(row), int(label))
    return losses


@cached
def gradient(function, logits, ids, entries=None):
    """Gradients of the rows' losses, each in its own logits, as a float64 array (batch, classes).

    `entries` are the class ids to differentiate in (None: all); the others are NaN.
    """
    slopes = np.full(np.shape(logits), np.nan)
    classes = range(slopes.shape[1]) if entries is None else [int(k) for k in entries]
    for i, (row, label) in enumerate(zip(logits, ids, strict=True)):
        with _precision(row):
            z = exact(row)
            for k in classes:
                above = function([*z[:k], z[k] + STEP, *z[k + 1 :]], int(label))
                below = function([*z[:k], z[k] - STEP, *z[k + 1 :]], int(label))
                slopes[i, k] = (above - below) / (2 * STEP)
    return slopes


def at_margins(function, margins):
    """A function of one probability at margins of the label, as float64 arrays: its value, weight and weight's slope.

    The weight is - d value / d margin. Central differences of so many digits do for all three: a value that falls as
    the square of 1 - p loses 87 of them at margin 100, and the step is squared.
    """
    found = np.empty((3, len(margins)))
    with mp.workdps(320):
        for i, (below, at, above) in enumerate(_around(tuple(map(mpf, margins)))):
            below, at, above = map(function, (below, at, above))
            found[:, i] = at, (below - above) / (2 * FINE), (2 * at - below - above) / FINE**2
    return found


#: Of the differences at margins.
FINE = mpf("1e-60")


@cache
def _around(margins):
    return [[1 / (1 + mp.exp(-x)) for x in (m - FINE, m, m + FINE)] for m in margins]


def exact(row):
    """The numbers of a numpy row as mpf, unrounded."""
    return [mpf(float(v)) for v in row]


def _precision(row):
    # 1 - p loses log10(e) digits for each unit of the margin, until float64 cannot tell it from 0.
    return mp.workdps(150 + int(min(np.ptp(np.asarray(row, "float64")), 250)))


def softmax(z):
    return list(_softmax(tuple(z), mp.prec))


@lru_cache(64)  # one loss after another asks for the same logits
def _softmax(z, precision):
    top = max(z)
    powers = [mp.exp(v - top) for v in z]
    total = mp.fsum(powers)
    return [v / total for v in powers]


# Elementary losses of the label's probability p.


def CE(p):
    return -mp.log(p)


def FL(p, gamma=0.5):
    return -((1 - p) ** gamma) * mp.log(p)


def MAE(p):
    return 1 - p


def RCE(p, A=-4.0):
    return -A * (1 - p)


def GCE(p, q=0.7):
    return CE(p) if q == 0 else (1 - p**q) / q


def SCE(p, alpha=0.1, beta=1.0, A=-4.0):
    return alpha * CE(p) + beta * RCE(p, A)


def TCE(p, t=2):
    return mp.fsum((1 - p) ** i / i for i in range(1, t + 1))


def AUL(p, a, q):
    return ((a - p) ** q - (mpf(a) - 1) ** q) / q


def AGCE(p, a, q):
    return ((mpf(a) + 1) ** q - (a + p) ** q) / q


def AEL(p, a):
    return mp.exp(-p / a)


def Poly1(p, epsilon=1.0):
    return CE(p) + epsilon * (1 - p)


def PHuberCE(p, tau=10.0):
    return CE(p) if p * tau > 1 else -tau * p + mp.log(tau) + 1


def _js_of_label(p, pi=0.5):
    """JS where all of the other classes are one: the mixture leaves their proportions as they are."""
    return JS([p, 1 - p], 0, pi)


# Losses of the whole prediction: all probabilities p, and the label y.


def JS(p, y, pi=0.5):
    if pi == 0:
        return CE(p[y])
    if pi == 1:
        return MAE(p[y])
    pi = mpf(pi)
    onehot = [mpf(k == y) for k in range(len(p))]
    mixture = [pi * e + (1 - pi) * p_k for e, p_k in zip(onehot, p, strict=True)]
    divergence = pi * _kl(onehot, mixture) + (1 - pi) * _kl(p, mixture)
    return divergence / (-(1 - pi) * mp.log(1 - pi))


def _kl(p, q):
    return mp.fsum(a * mp.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def MSE(p, y, alpha=0.5):
    return 1 - p[y] + alpha * mp.fsum(p_k**2 for p_k in p)


def GLS(p, y, alpha):
    return (1 - mpf(alpha)) * CE(p[y]) + alpha * mp.fsum(map(CE, p)) / len(p)


def CR(p, y, beta, prior=None):
    prior = [mpf(1) / len(p)] * len(p) if prior is None else prior
    return CE(p[y]) - beta * mp.fsum(weight * CE(p_k) for weight, p_k in zip(prior, p, strict=True))


def Bootstrap(p, y, kind="hard"):
    return {"hard": lambda: CE(max(p)), "soft": lambda: mp.fsum(p_k * CE(p_k) for p_k in p if p_k > 0)}[kind]()


def DAL(p, y, q=0.6, lam=0.0, bootstrap="hard"):
    loss = GCE(p[y], q)
    return loss if lam == 0 else loss + lam / (q * mp.log(len(p))) * Bootstrap(p, y, bootstrap)


def _share(loss, p, y):
    """Normalized: L(y) / sum_k L(k)."""
    losses = [loss(p_k) for p_k in p]
    return losses[y] / mp.fsum(losses)


def _negative_share(loss, p, y, p_min):
    """NegativeNormalized: 1 - (A - L(y)) / sum_k (A - L(k)), no probability below p_min."""
    gains = [loss(mpf(p_min)) - loss(max(p_k, mpf(p_min))) for p_k in p]
    return 1 - gains[y] / mp.fsum(gains)


def NCE(p, y):
    return _share(CE, p, y)


def NFL(p, y, gamma=0.5):
    return _share(partial(FL, gamma=gamma), p, y)


def NMAE(p, y):
    return _share(MAE, p, y)


def NRCE(p, y, A=-4.0):
    return _share(partial(RCE, A=A), p, y)


def NGCE(p, y, q=0.7):
    return _share(partial(GCE, q=q), p, y)


def NNCE(p, y, p_min=1e-7):
    return _negative_share(CE, p, y, p_min)


def NNFL(p, y, gamma=0.5, p_min=1e-7):
    return _negative_share(partial(FL, gamma=gamma), p, y, p_min)


def ANLCE(p, y, alpha=1.0, beta=1.0, p_min=1e-7):
    return alpha * NCE(p, y) + beta * NNCE(p, y, p_min)


def ANLFL(p, y, alpha=1.0, beta=1.0, gamma=0.5, p_min=1e-7):
    return alpha * NFL(p, y, gamma) + beta * NNFL(p, y, gamma, p_min)


def NCEandMAE(p, y, alpha=1.0, beta=1.0):
    return alpha * NCE(p, y) + beta * MAE(p[y])


def NCEandRCE(p, y, alpha=1.0, beta=1.0, A=-4.0):
    return alpha * NCE(p, y) + beta * RCE(p[y], A)


def NFLandMAE(p, y, alpha=1.0, beta=1.0, gamma=0.5):
    return alpha * NFL(p, y, gamma) + beta * MAE(p[y])


def NFLandRCE(p, y, alpha=1.0, beta=1.0, gamma=0.5, A=-4.0):
    return alpha * NFL(p, y, gamma) + beta * RCE(p[y], A)


def NGCEandMAE(p, y, alpha=1.0, beta=1.0, q=0.7):
    return alpha * NGCE(p, y, q) + beta * MAE(p[y])


def NGCEandRCE(p, y, alpha=1.0, beta=1.0, q=0.7, A=-4.0):
    return alpha * NGCE(p, y, q) + beta * RCE(p[y], A)


def NCEandAGCE(p, y, a, q, alpha=1.0, beta=1.0):
    return alpha * NCE(p, y) + beta * AGCE(p[y], a, q)


def NCEandAUL(p, y, a, q, alpha=1.0, beta=1.0):
    return alpha * NCE(p, y) + beta * AUL(p[y], a, q)


def NCEandAEL(p, y, a, alpha=1.0, beta=1.0):
    return alpha * NCE(p, y) + beta * AEL(p[y], a)


def of_prediction(loss):
    """The loss (probabilities, label), in the logits."""
    return wraps(loss)(lambda z, y, **params: loss(softmax(z), y, **params))


def of_label(loss):
    """The loss of the label's probability, in the logits."""
    return wraps(loss)(lambda z, y, **params: loss(softmax(z)[y], **params))


# Losses that change the logits or the softmax.


def BiTempered(z, y, t1=0.8, t2=1.2):
    t1, t2 = mpf(t1), mpf(t2)
    p = _tempered_softmax(z, t2)
    return -_log_t(p[y], t1) - (1 - mp.fsum(p_k ** (2 - t1) for p_k in p)) / (2 - t1)


def _log_t(x, t):
    return mp.log(x) if t == 1 else (x ** (1 - t) - 1) / (1 - t)


def _exp_t(x, t):
    return mp.exp(x) if t == 1 else max(0, 1 + (1 - t) * x) ** (1 / (1 - t))


def _tempered_softmax(z, t):
    """exp_t(z_k - normalizer), the normalizer found by way of the largest probability, which lies in [1/K, 1]."""
    if t == 1:
        return softmax(z)
    top = max(z)
    below_top = [v - top for v in z]

    def probabilities(largest, below_top, t):
        log_largest = _log_t(largest, t)
        return [_exp_t(v + log_largest, t) for v in below_top]

    def excess(largest, below_top=below_top, t=t):
        return sum(probabilities(largest, below_top, t)) - 1

    in_floats = partial(excess, below_top=[float(v) for v in below_top], t=float(t))
    rough = mpf(fp.findroot(in_floats, (0.5 / len(z), 2.0), solver="anderson", maxsteps=200))
    with mp.workdps(80):
        largest = mp.findroot(excess, (rough, rough * (1 + mpf("1e-13"))), solver="secant")
    return probabilities(largest, below_top, t)


def MAEStar(z, y, epsilon):
    return logit_bias(of_label(MAE), epsilon)(z, y)


def GCEStar(z, y, q, epsilon):
    return logit_bias(of_label(partial(GCE, q=q)), epsilon)(z, y)


def NFLandMAEStar(z, y, alpha, beta, epsilon, gamma=0.5):
    return logit_bias(of_prediction(partial(NFLandMAE, alpha=alpha, beta=beta, gamma=gamma)), epsilon)(z, y)


# The algebra: functions that return a loss (logits, label).


def normalized(f):
    return lambda z, y: _share(f, softmax(z), y)


def negative_normalized(f, p_min):
    return lambda z, y: _negative_share(f, softmax(z), y, p_min)


def logit_bias(loss, epsilon):
    return lambda z, y: loss([*z[:y], z[y] + epsilon, *z[y + 1 :]], y)


def margin(z, y):
    p = softmax(z)
    return mp.log(p[y] / mp.fsum(p[:y] + p[y + 1 :]))


def _sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def margin_scale(f, tau, expected_margin):
    return lambda z, y: f(_sigmoid(margin(z, y) * tau / expected_margin))


def margin_shift(loss, tau, expected_margin):
    return logit_bias(loss, mpf(expected_margin) - tau)


def unit_weight(f):
    largest = _largest_weight(f)
    return lambda z, y: f(softmax(z)[y]) / largest


def _largest_weight(f):
    """The supremum over the margin of |d f / d margin|, to ten digits: the best of a grid, refined by golden sections.

    A supremum at infinity, as of CE, is reached within e^-100.
    """

    def weight(x):
        return abs(f(_sigmoid(x + STEP)) - f(_sigmoid(x - STEP))) / (2 * STEP)

    with mp.workdps(100):
        best = max((mpf(n) / 4 for n in range(-400, 401)), key=weight)
        low, high = best - mpf(0.25), best + mpf(0.25)
        while high - low > 1e-12:
            left, right = high - (high - low) / mp.phi, low + (high - low) / mp.phi
            if weight(left) < weight(right):
                low = left
            else:
                high = right
        return max(weight(best), weight((low + high) / 2))


def sparse_regularized(loss, tau, lam, p):
    def regularized(z, y):
        norm = mp.sqrt(mp.fsum(v**2 for v in z))
        z = [v / norm / tau for v in z]
        return loss(z, y) + lam * mp.fsum(p_k**p for p_k in softmax(z))

    return regularized


#: Noise of three classes, one of which is never what a label says.
TRANSITION = ((0.7, 0.3, 0.0), (0.1, 0.9, 0.0), (0.25, 0.35, 0.4))


def forward_corrected(loss_of_probabilities, T):
    """A loss (p, y) at T^T p."""
    return lambda z, y: loss_of_probabilities(
        [mp.fsum(p_i * mpf(row[j]) for p_i, row in zip(softmax(z), T, strict=True)) for j in range(len(T))], y
    )


def backward_corrected(loss, T):
    """sum_k (T^-1)_{yk} L(k)."""
    inverse = mp.matrix(T) ** -1
    return lambda z, y: mp.fsum(inverse[y, k] * loss(z, k) for k in range(len(T)))


# Losses of a batch: lists of logits Z and of labels Y to a list.


def anlceer(Z, Y, alpha, beta, lam, p_min):
    P = [softmax(z) for z in Z]
    mean = [mp.fsum(column) / len(P) for column in zip(*P, strict=True)]
    penalty = lam * (mp.log(len(mean)) + mp.fsum(m * mp.log(m) for m in mean))
    return [ANLCE(p, y, alpha, beta, p_min) + penalty for p, y in zip(P, Y, strict=True)]


def peer(loss, Z, Y, alpha):
    n = len(Z)
    return [loss(Z[i], Y[i]) - alpha * loss(Z[(i + 1) % n], Y[(i + 2) % n]) for i in range(n)]


_ELEMENTARY = (CE, FL, MAE, RCE, GCE, SCE, TCE, AUL, AGCE, AEL, Poly1, PHuberCE)
_PREDICTION = (
    *(JS, MSE, GLS, CR, Bootstrap, DAL),
    *(NCE, NFL, NMAE, NRCE, NGCE, NNCE, NNFL, ANLCE, ANLFL),
    *(NCEandMAE, NCEandRCE, NFLandMAE, NFLandRCE, NGCEandMAE, NGCEandRCE, NCEandAGCE, NCEandAUL, NCEandAEL),
)
_LOGITS = (BiTempered, MAEStar, GCEStar, NFLandMAEStar)

#: The elementary losses as functions (p, **params) of one probability.
PROBABILITY = {f.__name__: f for f in _ELEMENTARY} | {"JS": _js_of_label}

#: The losses as functions (z, y, **params) of logits and label, by public class name.
REFERENCE = (
    {f.__name__: of_label(f) for f in _ELEMENTARY}
    | {f.__name__: of_prediction(f) for f in _PREDICTION}
    | {f.__name__: f for f in _LOGITS}
)
