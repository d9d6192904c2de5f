"""Two views of every sample: augmented twice in the step, or given twice."""

import keras

from keras_robust.algorithms.base import Algorithm
from keras_robust.checks import refuse
from keras_robust.data.draws import begin_draws, generators_of

#: What two views that are given are called.
VIEWS = ("view_0", "view_1")


class TwoViews(Algorithm):
    """An algorithm that sees every sample twice in a step, augmented each time anew.

    The views come from `augment`, a Keras layer that is called twice; or from the model, where it begins with
    `data.Preprocessing` that augments; or with the data, x = {"view_0": ..., "view_1": ...}. Evaluation and prediction
    see inputs as they are, of two given views the first.

    Raises:
        ValueError: from `fit`, where no view differs from another.
    """

    def __init__(self, model, augment=None, second=None, serve="first", name=None):
        super().__init__(model, second, serve, name)
        owner = type(self).__name__
        if augment is not None and not isinstance(augment, keras.layers.Layer):
            refuse(owner, "augment", "a Keras layer that augments, or None", augment)
        if augment is not None and self._front is not None and self._front.augments:
            rule = "None: the model begins with data.Preprocessing, which augments (give it `layers`)"
            refuse(owner, "augment", rule, augment)
        self.augment = augment

    def views(self, x, count=2) -> list:
        """So many views of the inputs, as the networks take them."""
        owner = type(self).__name__
        given = isinstance(x, dict) and x.keys() == set(VIEWS)
        if given and self.augment is not None:
            refuse(
                owner, "augment", 'None where the data bring two views, x = {"view_0": ..., "view_1": ...}', x.keys()
            )
        if given:
            return [self.prepared(x[name]) for name in VIEWS[:count]]
        if self.augment is not None:
            return [self.augment(self.prepared(x), training=True) for _ in range(count)]
        if self._front is None or not self._front.augments:
            raise ValueError(
                f"{owner} needs two views of each sample, and these inputs have one. Give it `augment`, a Keras layer; "
                'or a model that begins with data.Preprocessing and augments; or x = {"view_0": ..., "view_1": ...}.'
            )
        return [self.prepared(x) for _ in range(count)]

    def begin_epoch(self, epoch):
        """Begins the draws of `augment`, which follow from its seed, the epoch and the step alone."""
        for number, generator in enumerate([] if self.augment is None else generators_of(self.augment)):
            seed = generator.get_config()["seed"]
            if seed is not None:  # else nobody asked for the same draws
                begin_draws(generator, abs(seed) + number, epoch)

    def call(self, inputs, training=None):
        if not training and isinstance(inputs, dict) and inputs.keys() == set(VIEWS):
            inputs = inputs[VIEWS[0]]
        return super().call(inputs, training)
