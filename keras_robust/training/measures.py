"""What is measured on a run, and how tables call it."""

import statistics

from keras_robust.weight_log import WeightLog

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


def measure(history: list[dict], log: WeightLog) -> dict:
    """Accuracies on clean test labels, and what the last logged epoch shows of the wrong training labels, in [0, 1].

    "last" is the accuracy after the last epoch, "mean_of_last_ten" over the last ten, "best" the highest of all, which
    no one could have picked without the test labels. "memorized" and "corrected" are the shares of wrong labels where
    the model predicts the wrong and the clean label, "precision" and "auroc" as in `Detection`; None where nothing is
    known of wrong labels. "wrong" is the share of wrong labels, None where nobody knows them.
    """
    accuracy = [row["val_accuracy"] for row in history]
    measured = {"last": accuracy[-1], "mean_of_last_ten": statistics.fmean(accuracy[-10:]), "best": max(accuracy)}
    measured |= dict.fromkeys(("memorized", "corrected", "precision", "auroc"))
    known = log.clean is not None
    if known and log.wrong.any():
        measured |= {"memorized": float(log.memorized()[-1]), "corrected": float(log.corrected()[-1])}
        measured |= log.detection()._asdict()
    measured["wrong"] = float(log.wrong.mean()) if known else None
    return measured | {"epochs": len(history), "seconds": sum(row["seconds"] for row in history)}


def over_seeds(results) -> dict:
    """Mean and standard deviation, 0 of one run, of each measure over several results; None where one has none."""
    found = {}
    for name in (*HEADINGS, "seconds"):
        values = [result[name] for result in results]
        known = None not in values
        found[name] = statistics.fmean(values) if known else None
        found[f"{name}_std"] = (statistics.stdev(values) if len(values) > 1 else 0.0) if known else None
    return found
