"""A classifier on any backbone."""

import keras
from keras import layers

from keras_robust.checks import refuse
from keras_robust.models.blocks import classifier

# How to average over positions, by the rank of the features: vectors, tokens, images, volumes.
POOLING = {
    2: None,
    3: layers.GlobalAveragePooling1D,
    4: layers.GlobalAveragePooling2D,
    5: layers.GlobalAveragePooling3D,
}


def from_backbone(
    backbone: keras.Model, num_classes: int, classifier_activation: str | None = "softmax"
) -> keras.Model:
    """A classifier of K classes on the features of a backbone: global average pooling and one dense layer.

    Takes any built model that ends in one tensor of features, or in a dictionary with "pooled_output": a network of
    `keras.applications` with `include_top=False`, a backbone of KerasCV (extra `cv`) or KerasHub
    (extra `hub`), your own. Its layers are used, not copied: what trains here trains there, and
    `backbone.trainable = False` freezes them in both. Pooling and the dense layer compute in float32 under any policy.

    Args:
        backbone: a built model with features of shape (batch, channels), (batch, tokens, channels),
            (batch, height, width, channels) or one axis more. A Sequential model needs its Input.
        num_classes: K, at least 2.
        classifier_activation: activation of the last layer; None gives logits.

    Returns:
        A model with the inputs of the backbone, named after it.

    Raises:
        ValueError: if `backbone` is no such model or still ends in a softmax, or another argument does not fit.

    Example:

    >>> backbone = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(8, 3, strides=4)], name="mine")
    >>> model = keras_robust.models.from_backbone(backbone, 5, classifier_activation=None)
    >>> model.name, backbone.output_shape, model.output_shape
    ('mine_classifier', (None, 8, 8, 8), (None, 5))
    """
    predictions = classifier("from_backbone", num_classes, classifier_activation)
    rule = "a built Keras model that ends in one tensor of features"
    if not isinstance(backbone, keras.Model) or not getattr(backbone, "inputs", None):
        refuse("from_backbone", "backbone", rule, backbone)
    if isinstance(backbone, keras.Sequential):
        inputs, features = backbone.inputs[0], backbone.outputs[0]
    else:
        inputs, features = backbone.input, backbone.output
    if isinstance(features, dict):
        features = features.get("pooled_output", features)
    if not isinstance(features, keras.KerasTensor) or len(features.shape) not in POOLING:
        refuse("from_backbone", "backbone", f"{rule}; this one ends in {features!r}", backbone)
    if getattr(backbone.layers[-1], "activation", None) is keras.activations.softmax:
        refuse("from_backbone", "backbone", f"{rule}, without its classifier (include_top=False)", backbone)
    if pooling := POOLING[len(features.shape)]:
        features = pooling(dtype="float32", name=f"{backbone.name}_pool")(features)
    return keras.Model(inputs, predictions(features), name=f"{backbone.name}_classifier")
