"""From a noise string, the same on the command line and in code ("symmetric:0.4"), to a matrix or to labels."""

from dataclasses import replace
from functools import partial

import numpy as np

from keras_robust.noise.corruption import SEED, NoisyLabels, corrupt
from keras_robust.noise.grammar import parse
from keras_robust.noise.human import HUMAN, human
from keras_robust.noise.instance import instance_dependent
from keras_robust.noise.transition import CLASSES, asymmetric, pair_flip, symmetric

MATRICES = {
    "symmetric": symmetric,
    "symmetric+true": partial(symmetric, include_true=True),
    "pair": pair_flip,
}


def from_spec(spec: str | None, K: int, dataset: str | None = None) -> np.ndarray:
    """The transition matrix (K, K) that a string such as "symmetric:0.4" stands for; None is no noise.

    - "symmetric:RATE": to another class; "symmetric+true:RATE": resampled over all classes.
    - "pair:RATE": to the next class.
    - "asymmetric:RATE", "asymmetric.VARIANT:RATE": between similar classes of `dataset`, as `asymmetric` has them.

    Raises:
        ValueError: for a string that does not follow this, a rate outside [0, 1], noise that has no matrix, or
            asymmetric noise without a data set of K classes.

    Example:

    >>> keras_robust.noise.from_spec("pair:0.5", K=2).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    K = CLASSES.check("from_spec", "K", K)
    if spec is None:
        return np.eye(K)
    noise = parse(spec)
    if noise.kind in MATRICES:
        return MATRICES[noise.kind](K, noise.rate)
    if noise.kind != "asymmetric":
        raise ValueError(f"Noise {spec!r} depends on the samples and has no transition matrix: use `noise.draw`.")
    _need(spec, "dataset", "the name of the data set whose classes are similar", dataset)
    matrix = asymmetric(dataset, noise.rate, noise.variant)
    _same_classes(f"{spec!r} of {dataset!r}", len(matrix), K)
    return matrix


def draw(
    spec: str | None,
    labels,
    num_classes: int,
    seed: int,
    *,
    exact: bool = False,
    dataset: str | None = None,
    features=None,
    ids=None,
    path=None,
) -> NoisyLabels:
    """Wrong labels for any noise string; `print` the result to see its convention, realized rate and matrix.

    - None: none. "symmetric:0.4", "symmetric+true:0.4", "pair:0.2": see `symmetric`, `pair_flip`.
    - "asymmetric:0.3", also ".sequential", ".superclass", ".blocks": see `asymmetric`; needs `dataset`.
    - "instance:0.4": see `instance_dependent`; needs `features`.
    - "human:worst", also "aggregate", "random1" to "random3", "cifar100n": see `human`; needs `path`, and `ids` unless
      the labels are those of the whole training set in the original order.

    Args:
        spec: the noise string, or None.
        labels: clean class ids (n,) or (n, 1), integers; the result has (n,).
        num_classes: K.
        seed: a whole number; the same seed gives the same labels. Labels of people do not depend on it.
        exact: exactly floor(n_i T_ij) labels of class i become j; only for noise that has a transition matrix.
        dataset: name of the data set.
        features: what the labels depend on, (n, ...).
        ids: numbers of the images in the original order, or record ids.
        path: a file or folder with human labels.

    Raises:
        ValueError: for a string or an argument that does not fit, or one that is needed and missing.
        FileNotFoundError: if there is no label file at `path`.

    Example:

    >>> labels = np.arange(5000) % 10
    >>> keras_robust.noise.draw("asymmetric:0.4", labels, 10, seed=0, exact=True, dataset="cifar10").rate
    0.2
    """
    SEED.check("draw", "seed", seed)
    noise = None if spec is None else parse(spec)
    if noise is None or noise.kind not in ("instance", "human"):
        drawn = corrupt(labels, from_spec(spec, num_classes, dataset), seed, exact, spec)
        return replace(drawn, dataset=dataset) if noise and noise.kind == "asymmetric" else drawn
    if exact:
        raise ValueError(f"Exact counts need a transition matrix, which noise {spec!r} does not have.")
    if noise.kind == "instance":
        _need(spec, "features", "an array (n, ...) of what the labels depend on", features)
        return instance_dependent(features, labels, noise.rate, num_classes, seed)
    _need(spec, "path", "a file or folder with the human labels", path)
    if noise.name in HUMAN:
        _same_classes(repr(spec), HUMAN[noise.name].num_classes, num_classes)
    return human(noise.name, path, ids, labels)


def _need(spec, name, what, value):
    if value is None:
        raise ValueError(f"Noise {spec!r} needs `{name}`: {what}.")


def _same_classes(what, K, received):
    if received != K:
        raise ValueError(f"Noise {what} has {K} classes. Received: {received} classes.")
