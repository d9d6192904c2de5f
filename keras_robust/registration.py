"""One name space for everything that a saved model may hold."""

import keras

PACKAGE = "keras_robust"

registered = keras.saving.register_keras_serializable(PACKAGE)
