"""Saved configurations of losses: what does not fit is refused by name."""

import inspect

import keras

from keras_robust.registration import PACKAGE


def check_saved(cls, config, signature):
    """Refuses a saved configuration whose arguments are not those of the class, of another version for example."""
    arguments = signature.parameters
    if any(argument.kind is inspect.Parameter.VAR_KEYWORD for argument in arguments.values()):
        return
    unknown = sorted(config.keys() - arguments.keys())
    missing = [
        name
        for name, argument in arguments.items()
        if argument.default is inspect.Parameter.empty and name not in config
    ]
    if unknown or missing:
        told = f"has the unknown {', '.join(unknown)}" if unknown else f"lacks {', '.join(missing)}"
        # A ValueError: Keras wraps a TypeError, once for each loss around this one.
        raise ValueError(
            f"The saved configuration of {cls.__name__} {told}. Its arguments are {signature}. Was it saved by another "
            f"version of {PACKAGE}?"
        )


def restored(saved: dict):
    """The part of a loss that a saved configuration describes."""
    name = saved.get("registered_name") or ""
    if name.startswith(f"{PACKAGE}>") and keras.saving.get_registered_object(name) is None:
        known = sorted(
            kind.__name__
            for key, kind in keras.saving.get_custom_objects().items()
            if key.startswith(f"{PACKAGE}>") and issubclass(kind, keras.losses.Loss)
        )
        raise ValueError(
            f"{PACKAGE} has no loss {name.removeprefix(f'{PACKAGE}>')!r}, which a saved configuration holds. Was it "
            f"saved by another version of {PACKAGE}? Known losses: {', '.join(known)}."
        )
    return keras.saving.deserialize_keras_object(saved)
