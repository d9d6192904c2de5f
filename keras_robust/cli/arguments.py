"""Arguments that several verbs have."""

from keras_robust import expressions


def add_data_arguments(verb):
    verb.add_argument("--dataset", help="data set (default: digits)")
    verb.add_argument("--noise", help='for example "pair:0.2", or "none" (default: symmetric:0.4)')
    verb.add_argument("--data-dir", help="folder of the data set (the digits need none)")


def add_run_arguments(verb):
    verb.add_argument("folder", metavar="FOLDER", help="folder of a training run, of several, or a weight log")
    verb.add_argument("--log", metavar="NAME", help="which run, of a folder that holds several")


def dataset(options):
    return options.dataset or "digits"


def noise(options):
    return None if options.noise == "none" else options.noise or "symmetric:0.4"


def add_pipeline_argument(verb):
    verb.add_argument("--pipeline", help='"tf.data", or "device": images prepared in the step, no TensorFlow')


def setting(text):
    """The name and the value of "epochs=100"."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"Settings are written as SETTING=VALUE, epochs=100. Received: {text!r}.")
    return name, _literal(value)


def values_of(text):
    """The name and the values of "alpha=0.1,1,10"."""
    name, values = setting(text)
    if isinstance(values, str):
        values = [_literal(value) for value in values.split(",")]
    return name, list(values) if isinstance(values, list | tuple) else [values]


def _literal(text):
    try:
        return expressions.literal(text)
    except expressions.ExpressionError:
        return text
