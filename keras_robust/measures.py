"""What is measured on a run, and how tables call it."""

import math
import statistics

from keras_robust.weight_log import WeightLog

#: What a history calls the accuracy on held-out images, and the success rate of a backdoor.
HELD_OUT, ATTACK = "held_out_accuracy", "attack_success_rate"
#: What a result calls the accuracy on clean labels that is told from noisy ones; with `_low` and `_high` its interval.
ESTIMATED = "estimated"
#: ... and what is to be known of that number, or why there is none.
WORDS = "estimated_how"

#: What is measured -> how a table calls it.
HEADINGS = {
    "last": "test\naccuracy,\nlast epoch",
    "mean_of_last_ten": "mean of\nlast ten\nepochs",
    "best": "best on\ntest",
    "memorized": "wrong\nlabels\nmemorized",
    "corrected": "wrong\nlabels\nseen through",
    "precision": "suspects\ntruly\nwrong",
    "auroc": "AUROC of\nsuspects",
}
#: What is measured where a recipe asks for it: on held-out images, and with a trigger in the test images.
ASKED_FOR = {
    ESTIMATED: "clean\naccuracy,\nestimated",
    "validation": "held out,\nlast\nepoch",
    "chosen": "test at\nbest on\nheld out",
    "attack": "attack\nsuccess",
}


def headings(results) -> dict:
    """The headings of a table of these results: of what is asked for, those that one of them has.

    Where nobody knows clean labels, to test on or of the training samples, what takes them is left out.
    """
    results = list(results)
    tested = any(result.get("last") is not None for result in results)
    asked = (name for name in ASKED_FOR if any(result.get(name) is not None for result in results))
    return (HEADINGS if tested else {}) | {name: ASKED_FOR[name] for name in asked}


def measure(history: list[dict], log: WeightLog, clean_test: bool = True) -> dict:
    """Accuracies on clean test labels, and what the last logged epoch shows of the wrong training labels, in [0, 1].

    "last" is the accuracy after the last epoch, "mean_of_last_ten" over the last ten, "best" the highest of all, which
    no one could have picked without the test labels. "memorized" and "corrected" are the shares of wrong labels where
    the model predicts the wrong and the clean label, "precision" and "auroc" as in `Detection`; None where nothing is
    known of wrong labels. "wrong" is the share of wrong labels that are trained on, None where nobody knows them.

    "validation" is the accuracy on held-out images after the last epoch, "chosen" that on test images after the first
    epoch in which the held-out ones did best, "attack" the success rate of a backdoor after the last epoch; None where
    there are no such images. Where held-out labels are noisy, `judging.judge` adds "estimated".

    Without clean test labels (`clean_test`) the accuracy in the history is the agreement with held-out noisy labels:
    it is "validation", and what takes clean test labels is None.
    """
    accuracy = [row["val_accuracy"] for row in history]
    measured = {"last": accuracy[-1], "mean_of_last_ten": statistics.fmean(accuracy[-10:]), "best": max(accuracy)}
    measured |= measure_log(log) | _asked_for(history)
    if not clean_test:
        measured |= {"validation": accuracy[-1]} | dict.fromkeys(("last", "mean_of_last_ten", "best"))
    seconds = _column(history, "seconds")
    return measured | {"epochs": len(history), "seconds": None if seconds is None else sum(seconds)}


def measure_log(log: WeightLog) -> dict:
    """What a log alone shows of the wrong training labels: "memorized", "corrected", "precision", "auroc", "wrong"."""
    measured, known = dict.fromkeys(("memorized", "corrected", "precision", "auroc")), log.clean is not None
    if known and log.wrong.any():
        measured |= {"memorized": float(log.memorized()[-1]), "corrected": float(log.corrected()[-1])}
        measured |= log.detection()._asdict()
    return measured | {"wrong": float(log.wrong[log.labels >= 0].mean()) if known else None}


def _asked_for(history):
    held_out, attack = (_column(history, name) for name in (HELD_OUT, ATTACK))
    best = None if held_out is None else held_out.index(max(held_out))
    return {
        "validation": None if best is None else held_out[-1],
        "chosen": None if best is None else history[best]["val_accuracy"],
        "attack": None if attack is None or math.isnan(attack[-1]) else attack[-1],
    }


def _column(history, name):
    return [row[name] for row in history] if name in history[0] else None


def over_seeds(results) -> dict:
    """Mean and standard deviation, 0 of one run, of each measure over several results; None where one has none."""
    found = {}
    results = list(results)
    interval = [f"{ESTIMATED}_{side}" for side in ("low", "high") if ESTIMATED in headings(results)]
    for name in (*headings(results), *interval, "seconds"):
        values = [result.get(name) for result in results]
        known = None not in values
        found[name] = statistics.fmean(values) if known else None
        found[f"{name}_std"] = (statistics.stdev(values) if len(values) > 1 else 0.0) if known else None
    return found
