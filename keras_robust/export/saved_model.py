"""Writing a SavedModel. Everything here runs on Keras' TensorFlow backend."""

import pathlib

import keras

from keras_robust.export.signature import NAME, Signature, structure_of

# Where TensorFlow Serving looks for requests that it answers before a version takes its place.
WARMUP = pathlib.PurePath("assets.extra", "tf_serving_warmup_requests")


def write_saved_model(model: keras.Model, folder: pathlib.Path, signature: Signature, warmup=None) -> None:
    """Writes the network of a model and one signature into a folder, in float32, with no other variable."""
    import tensorflow as tf

    structure = structure_of(model)

    def answer(named):
        inputs = keras.tree.pack_sequence_as(structure, [named[name] for name in signature.names])
        scores = tf.cast(model(inputs, training=False), "float32")
        probabilities = tf.nn.softmax(scores) if signature.from_logits else scores
        outputs = {"probabilities": probabilities}
        if signature.top_k:
            outputs["scores"], classes = tf.math.top_k(probabilities, signature.top_k)
            names = signature.class_names
            outputs["classes"] = tf.cast(classes, "int64") if names is None else tf.gather(tf.constant(names), classes)
        return outputs

    archive = keras.export.ExportArchive()
    # Not the model: that would keep what only training uses, such as the states of dropout. Tables have to be named.
    for table in _tables(model):
        archive.track(table)
    specs = {
        name: tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, name)
        for name, tensor in zip(signature.names, model.inputs, strict=True)
    }
    archive.add_endpoint(NAME, answer, input_signature=[specs])
    archive.write_out(str(folder), verbose=False)
    if warmup is not None:
        _write_warmup(folder / WARMUP, dict(zip(signature.names, warmup, strict=True)))


def _tables(model):
    """The tables of a model's layers, which are no variables.

    Tables are looked for, not layers: one that is inside another need not be built, as that of `TextVectorization`
    never is, and a layer of the user's own may hold tables.
    """
    import tensorflow as tf

    found = {}
    for layer in model._flatten_layers():
        for value in _held(vars(layer)):
            if isinstance(value, tf.saved_model.experimental.TrackableResource):
                found[id(value)] = value
    return list(found.values())


def _held(value):
    """What lists and dicts hold, however deep."""
    inside = value.values() if isinstance(value, dict) else value
    for one in inside:
        if isinstance(one, dict | list | tuple):
            yield from _held(one)
        else:
            yield one


def _write_warmup(path, inputs):
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = NAME
    for name, array in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
    log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(log.SerializeToString())


def convert(model_file: str, signature_file: str, folder: str) -> None:
    """What a process of its own does for a model that was trained on another backend."""
    # The file comes from the process that started this one, so its code is as safe as that process was.
    model = keras.saving.load_model(model_file, compile=False, safe_mode=False)
    write_saved_model(model, pathlib.Path(folder), *Signature.load(pathlib.Path(signature_file)))
