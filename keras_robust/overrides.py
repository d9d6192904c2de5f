"""What a model's own class overrides of the way in which Keras trains."""

# What a class may override so that it trains in its own way; a wrapper would go past it.
_TRAINING = (
    *("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics", "fit", "evaluate", "predict"),
    *("train_on_batch", "test_on_batch", "predict_on_batch", "stateless_compute_loss", "get_metrics_result"),
    *("make_train_function", "make_test_function", "make_predict_function", "compute_loss_and_updates"),
)
# KerasHub's tasks put their preprocessor around these, which does nothing where there is none.
_PREPROCESSING = ("fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch")


def refuse_training_of_its_own(model):
    """Refuses a model with a step of its own: a wrapper has one too, and only one can be taken.

    Raises:
        ValueError: naming what the class, or the model itself, overrides.
    """
    for name in _TRAINING:
        owner = next((kind for kind in type(model).__mro__ if name in vars(kind)), None)
        own = name in vars(model) or (owner is not None and owner.__module__.split(".")[0] != "keras")
        idle = getattr(model, "preprocessor", model) is None and name in _PREPROCESSING
        if own and not (idle and owner is not None and owner.__module__.split(".")[0] == "keras_hub"):
            raise ValueError(
                f"`model` of ProvenanceModel must train as Keras' own models do, and {type(model).__name__} overrides "
                f"`{name}`, which the wrapper would go past. Wrap the network inside it, keras.Model(model.inputs, "
                "model.outputs) where it has them, or give SampleWeightLogger a `probe` and train the model itself."
            )
