"""Arguments that several verbs have."""


def add_data_arguments(verb):
    verb.add_argument("--dataset", default="digits", help="data set (default: digits)")
    verb.add_argument("--noise", default="symmetric:0.4", help='for example "symmetric:0.4", or "none"')
    verb.add_argument("--data-dir", help="folder of the data set (the digits need none)")


def add_run_arguments(verb):
    verb.add_argument("folder", metavar="FOLDER", help="folder of a training run, of several, or a weight log")
    verb.add_argument("--log", metavar="NAME", help="which run, of a folder that holds several")


def noise(options):
    return None if options.noise == "none" else options.noise


def add_pipeline_argument(verb):
    verb.add_argument("--pipeline", help='"tf.data", or "device": images prepared in the step, no TensorFlow')
