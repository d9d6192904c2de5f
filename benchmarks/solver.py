"""What do the quadratures of `theory` cost at 10 to 1,000,000 classes, and are they right?

    python benchmarks/solver.py

The first call for each number of classes, because later ones may be cached; another K has warmed up. Beside the time:
how far the mean of sampled logits is off, in standard errors of that mean (below 4 where the answer is right). Takes
about half a minute; the bar of `logit_bias` is a second.
"""

import argparse
import json
import math
import time

import measuring

CLASSES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)


def sampled(K, entries, rng):
    """Logits of the label, and log-sum-exps of the other K - 1, of as many samples as `entries` normal numbers give."""
    import numpy as np

    label, log_sum, batch = [], [], max(1, min(entries, 2 * 10**6) // K)
    for _ in range(entries // (batch * K)):
        z = rng.standard_normal((batch, K))
        top = z[:, 1:].max(axis=1)
        label.append(z[:, 0])
        log_sum.append(top + np.log(np.exp(z[:, 1:] - top[:, None]).sum(axis=1)))
    return np.concatenate(label), np.concatenate(log_sum)


def deviation(samples, expected):
    """Distance of the mean of samples from what is expected, in standard errors."""
    return float((samples.mean() - expected) / (samples.std(ddof=1) / math.sqrt(len(samples))))


def timed(function):
    start = time.perf_counter()
    return function(), time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", nargs="+", type=int, default=CLASSES)
    parser.add_argument(
        "--entries", type=int, default=2 * 10**7, help="normal numbers drawn for each number of classes"
    )
    options = parser.parse_args()
    measuring.keep_to_cores(2)

    import numpy as np

    import keras_robust as kr

    theory, gce = kr.theory, kr.GCE(0.7)
    theory.logit_bias(7)
    theory.expected_margin(7, exact=True)
    theory.mean_error(gce, 7)
    circumstances, rows = measuring.circumstances(), {}
    for K in options.classes:
        bias, bias_seconds = timed(lambda K=K: theory.logit_bias(K))
        margin, margin_seconds = timed(lambda K=K: theory.expected_margin(K, exact=True))
        error, error_seconds = timed(lambda K=K: theory.mean_error(gce, K))
        label, log_sum = sampled(K, options.entries, np.random.default_rng(K))
        started = _sigmoid(label - log_sum + bias)
        at_zero = _sigmoid(-log_sum)
        quantities = {
            "logit_bias": (bias, bias_seconds, deviation(started, 0.15)),
            "expected_margin": (margin, margin_seconds, deviation(label - log_sum, margin)),
            # With the label's logit at 0; the gradient of GCE in it is -p^q (1 - p).
            "mean_error": (error, error_seconds, deviation(-(at_zero**0.7) * (1.0 - at_zero), error)),
        }
        keys = ("value", "seconds", "deviation")
        rows[K] = {name: dict(zip(keys, numbers, strict=True)) for name, numbers in quantities.items()}

    names = ("logit_bias", "expected_margin", "mean_error")
    print(f"{'':>10}" + "".join(f"{name:>32}" for name in names))
    print(f"{'K':>10}" + f"{'value':>14}{'ms':>8}{'deviation':>10}" * len(names))
    for K, row in rows.items():
        cells = (f"{c['value']:14.6g}{1e3 * c['seconds']:8.1f}{c['deviation']:10.2f}" for c in row.values())
        print(f"{K:10,}" + "".join(cells))
    print(json.dumps({"benchmark": "solver", "results": rows, "entries": options.entries, **circumstances}))
    wrong = [(K, name) for K, row in rows.items() for name, cell in row.items() if abs(cell["deviation"]) > 4.0]
    if wrong:
        raise SystemExit(f"More than 4 standard errors off: {wrong}.")


def _sigmoid(x):
    import numpy as np

    return 1.0 / (1.0 + np.exp(-x))


if __name__ == "__main__":
    main()
