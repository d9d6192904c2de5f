"""The command `keras-robust`: argument parsing only."""

import argparse

import keras_robust
from keras_robust.cli import labels, pictures, runs


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all errors of the command are."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {' '.join(message.split())}; see {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    """What reads the command line; docs/reference/command-line.md is made of it."""
    command = OneLineParser("keras-robust", description="Learning from wrong labels with Keras 3.")
    command.add_argument("--version", action="version", version=f"keras-robust {keras_robust.__version__}")
    verbs = command.add_subparsers(required=True, metavar="VERB")
    for add in (runs.add_compare, runs.add_backdoor, runs.add_run, runs.add_retrain, runs.add_recipes):
        add(verbs)
    for add in (labels.add_noise, labels.add_suspects, labels.add_review, labels.add_report, labels.add_clean):
        add(verbs)
    for add in (pictures.add_plot, pictures.add_figure, pictures.add_logit_bias):
        add(verbs)
    return command


def main(arguments=None) -> int:
    """Runs the command and returns its exit status; wrong arguments are one line on stderr and status 2."""
    command = parser()
    options = command.parse_args(arguments)
    try:
        return options.run(options)
    except (ValueError, TypeError, ImportError, OSError) as error:
        command.exit(2, f"keras-robust: {' '.join(str(error).split())}\n")
    except (MemoryError, RecursionError) as error:
        kind = type(error).__name__
        command.exit(2, f"keras-robust: an argument is too large or too long to be read ({kind})\n")
    except KeyboardInterrupt:
        command.exit(130, "keras-robust: stopped\n")
