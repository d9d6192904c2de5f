"""What does noise cost: 50,000 labels in memory, and 10 million streamed without growing?

    python benchmarks/noise.py

About a quarter of a minute. One JSON line: milliseconds (best of ten after a warm-up) and realised rates of 50,000
labels; seconds, realised rate and peak memory of the stream after its first million and at its end.
"""

import json
import os
import platform
import resource
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np

from keras_robust import noise

SPECS = {
    "symmetric:0.4": 10,
    "symmetric+true:0.4": 10,
    "pair:0.4": 10,
    "asymmetric:0.4": 100,
    "symmetric:0.2": 1000,
}


def labels_in_memory():
    rows = {}
    for spec, K in SPECS.items():
        labels = np.random.default_rng(0).integers(0, K, 50_000)
        for exact in (False, True):

            def draw(seed, spec=spec, labels=labels, K=K, exact=exact):
                return noise.draw(spec, labels, K, seed, exact=exact, dataset="cifar100")

            rate, times = draw(0).rate, []
            for seed in range(10):
                start = time.perf_counter()
                draw(seed)
                times.append(time.perf_counter() - start)
            name = f"{spec}, K = {K}{', exact' if exact else ''}"
            rows[name] = {"ms": round(1000 * min(times), 2), "rate": round(rate, 4)}
    features = np.random.default_rng(0).random((50_000, 3072), dtype="float32")
    labels = np.random.default_rng(0).integers(0, 10, 50_000)
    noise.instance_dependent(features[:1000], labels[:1000], 0.4, K=10, seed=0)
    start = time.perf_counter()
    rate = noise.instance_dependent(features, labels, 0.4, K=10, seed=0).rate
    seconds = time.perf_counter() - start
    rows["instance:0.4, K = 10, d = 3072"] = {"ms": round(1000 * seconds, 2), "rate": round(rate, 4)}
    return rows


def streamed(total=10_000_000, warm_up=1_000_000, batch_size=1024):
    import tensorflow as tf

    add = noise.stream(noise.symmetric(10, 0.4), seed=0)

    def run(count):
        """Seconds and realised rate of a pass over `count` ids."""
        data = tf.data.Dataset.range(count).batch(batch_size).map(lambda i: add((), i % 10, i)).prefetch(2)
        start, wrong = time.perf_counter(), 0
        for _, label, id in data.as_numpy_iterator():
            wrong += np.count_nonzero(label != id % 10)
        return time.perf_counter() - start, wrong / count

    run(warm_up)
    before = peak_memory()
    seconds, rate = run(total)
    return {
        "ids": total,
        "seconds": round(seconds, 1),
        "rate": round(rate, 5),
        "peak_mb_after_1_million": before,
        "peak_mb_after_10_million": peak_memory(),
    }


def peak_memory():
    """Megabytes; Linux counts in kilobytes, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 if platform.system() == "Linux" else 1024**2), 1)


if __name__ == "__main__":
    stream = streamed()
    import tensorflow as tf

    print(
        json.dumps(
            {
                "labels_50000": labels_in_memory(),
                "stream": stream,
                "versions": {
                    "numpy": np.__version__,
                    "tensorflow": tf.__version__,
                    "python": platform.python_version(),
                },
                "device": f"{os.cpu_count()} CPU cores, {platform.machine()}",
            }
        )
    )
