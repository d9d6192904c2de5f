"""One name space for everything that a saved model may hold."""

import re

import keras

PACKAGE = "keras_robust"

registered = keras.saving.register_keras_serializable(PACKAGE)


def snake_case(name: str) -> str:
    """`NFLandMAEStar` -> `nfl_and_mae_star`."""
    words = re.sub(r"(?<=[A-Z])and(?=[A-Z])", "_and_", name)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", words).lower()
