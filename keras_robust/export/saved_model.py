"""Writing a SavedModel. Everything here runs on Keras' TensorFlow backend."""

import pathlib

import keras

from keras_robust.export.signature import NAME, Signature, structure_of

# For what lies beside the graph and is no part of it; TensorFlow Serving reads one file of it, the requests that it
# answers before a version takes its place.
EXTRA = "assets.extra"
WARMUP = pathlib.PurePath(EXTRA, "tf_serving_warmup_requests")


def write_saved_model(model: keras.Model, folder: pathlib.Path, signature: Signature, warmup=None) -> None:
    """Writes the network of a model and its signatures into a folder, in float32, with no other variable."""
    import tensorflow as tf

    structure = structure_of(model)

    def scores_of(named):
        tensors = [
            named[one.name] if one.unit is None else pixels(named[one.name], one.shape, one.dtype, one.unit)
            for one in signature.inputs
        ]
        scores = keras.tree.flatten(model(keras.tree.pack_sequence_as(structure, tensors), training=False))
        return [tf.cast(one, "float32") for one in scores]

    def together(named):
        pairs = zip(signature.heads, scores_of(named), strict=True)
        return {head.served(name): tensor for head, one in pairs for name, tensor in _answers(head, one).items()}

    def alone(place, head):
        return lambda named: _answers(head, scores_of(named)[place])

    archive = keras.export.ExportArchive()
    # Not the model: that would keep what only training uses, such as the states of dropout. Tables have to be named.
    for table in _tables(model):
        archive.track(table)
    specs = {one.name: tf.TensorSpec((None, *one.served[0][1:]), one.served[1], one.name) for one in signature.inputs}
    archive.add_endpoint(NAME, together, input_signature=[specs])
    if len(signature.heads) > 1:
        for place, head in enumerate(signature.heads):
            archive.add_endpoint(head.name, alone(place, head), input_signature=[specs])
    archive.write_out(str(folder), verbose=False)
    if warmup is not None:
        _write_warmup(folder / WARMUP, dict(zip(signature.names, warmup, strict=True)))


def _answers(head, scores):
    """What an output answers with, by name."""
    import tensorflow as tf

    if head.kind == "values":
        return {"values": scores}
    if head.from_logits:
        scores = tf.nn.softmax(scores) if head.kind == "classes" else tf.sigmoid(scores)
    answers = {"probabilities": scores}
    if head.top_k:
        ranked = tf.concat([1.0 - scores, scores], axis=-1) if head.no_and_yes else scores
        answers["scores"], classes = tf.math.top_k(ranked, head.top_k)
        names = head.class_names
        answers["classes"] = tf.cast(classes, "int64") if names is None else tf.gather(tf.constant(names), classes)
    return answers


def pixels(encoded, shape, dtype, unit):
    """Encoded images (batch,) as the model has them, (batch, height, width, channels).

    JPEG (decoded with the accurate transform, as Pillow does) and PNG, into the channels of the model. Where the model
    has a size, an image of another one is resized to it, bilinear with antialiasing, its sides' ratio not kept.
    """
    import tensorflow as tf

    _, height, width, channels = shape

    def decoded(data):
        if channels == 4:
            image = tf.io.decode_png(data, channels)
        else:
            image = tf.cond(
                tf.io.is_jpeg(data),
                lambda: tf.io.decode_jpeg(data, channels, dct_method="INTEGER_ACCURATE"),
                lambda: tf.io.decode_png(data, channels),
            )
        image = tf.cast(image, "float32")
        if height is not None and width is not None:
            image = tf.image.resize(image, (height, width), "bilinear", antialias=True)
        return image

    images = tf.map_fn(decoded, encoded, fn_output_signature=tf.TensorSpec((height, width, channels), "float32"))
    if dtype == "uint8":
        return tf.cast(tf.clip_by_value(tf.round(images), 0.0, 255.0), "uint8")
    return tf.cast(images * (unit / 255.0), dtype)


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
