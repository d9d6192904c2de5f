"""From wrong labels to a model server: train, export a version, and ask it as a client would.

The version folder is what TensorFlow Serving takes:

    docker run -p 8501:8501 -v DIRECTORY:/models/digits -e MODEL_NAME=digits tensorflow/serving

Takes about 20 seconds on two CPU cores. EXAMPLE_EPOCHS shortens it.
"""

import json
import os
import pathlib
import tempfile

import keras

import keras_robust
from keras_robust import data, models, noise

EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", 20))
NAMES = "zero one two three four five six seven eight nine".split()

digits = data.load_arrays("digits")
labels = noise.corrupt(digits.y_train, noise.symmetric(10, 0.4), seed=0)
keras.utils.set_random_seed(0)
model = keras_robust.regularize(models.cnn2(digits.input_shape, 10, classifier_activation=None), l1=5e-5)
model.compile(
    keras.optimizers.SGD(0.01, momentum=0.9, global_clipnorm=5.0),
    loss=keras_robust.ANLCE(alpha=5, beta=5, from_logits=True),
)
model.fit(digits.x_train, labels.noisy, batch_size=128, epochs=EPOCHS, verbose=0)

# Whatever the backend, this writes a TensorFlow graph: the network and its softmax, no loss, penalty or optimizer.
directory = pathlib.Path(tempfile.mkdtemp()) / "digits"
version = keras_robust.export.serving(model, directory, class_names=NAMES, top_k=3)
print(f"version {version.name}: {', '.join(sorted(path.name for path in version.iterdir()))}")

question = json.dumps({"instances": digits.x_test[:1].round(3).tolist()})
print(f"curl -d '{question[:60]}...' http://localhost:8501/v1/models/digits:predict")

# The same question without a server.
import tensorflow as tf  # noqa: E402

served = tf.saved_model.load(str(version)).signatures["serving_default"]
answer = served(images=tf.constant(digits.x_test[:5]))
for truth, names, scores in zip(digits.y_test, answer["classes"].numpy(), answer["scores"].numpy(), strict=False):
    guesses = ", ".join(f"{name.decode()} {score:.1%}" for name, score in zip(names, scores, strict=True))
    print(f"{NAMES[truth]}: {guesses}")
