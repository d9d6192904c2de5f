"""Several losses on one data set with wrong labels: what `keras-robust compare`, `backdoor` and `make demo` train."""

import pathlib
from dataclasses import dataclass, replace

from rich.console import Console

from keras_robust.algorithms.reading import read_algorithm, split_algorithm
from keras_robust.catalog import CATALOG, Dataset, row_of
from keras_robust.checks import Interval, refuse
from keras_robust.data.image_folders import LISTING, refuse_changed
from keras_robust.diagnostics import plots
from keras_robust.files import whole
from keras_robust.losses import RobustLoss
from keras_robust.losses.reading import LOSSES, read_loss
from keras_robust.recipes.grid import Entry, Grid, train_grid
from keras_robust.recipes.planning import Conditions
from keras_robust.recipes.schema import Recipe

__all__ = ["Contender", "compare", "compare_backdoors", "contender"]

#: How all losses are trained; the weights do not decay, and L1 goes with the losses that have it. Two networks are
#: not clipped.
TRAINING = {
    "batch_size": 128,
    "learning_rate": 0.01,
    "schedule": "cosine",
    "momentum": 0.9,
    "weight_decay": 0.0,
    "clip_norm": 5.0,
}
# In what the recipes of a comparison differ.
_VARYING = ("recipe", "label", "loss", "l1", "moving", "algorithm", "clip_norm")


@dataclass(frozen=True)
class Contender:
    """A loss of logits that takes part in a comparison, alone or inside a training algorithm.

    Attributes:
        text: how it is written, for example "ANLCE(alpha=5, beta=5)".
        l1: factor of the L1 penalty that goes with it.
        moving: what moves its hyper-parameters, as recipes have it, or None.
        algorithm: what the network is trained by, as recipes have it, or None.
    """

    text: str
    l1: float = 0.0
    moving: str | None = None
    algorithm: str | None = None

    def loss(self) -> RobustLoss:
        return read_loss(self.text)

    @property
    def label(self) -> str:
        """How it stands in tables and pictures."""
        text = self.text
        if self.algorithm:
            inside = self.algorithm.partition("(")[2]
            text = f"{self.algorithm.partition('(')[0]}({text}{'' if inside == ')' else ', '}{inside}"
        return f"{text} scheduled" if self.moving else text

    def recipe(self, **fields) -> Recipe:
        """A recipe that trains it as all are trained, with these fields besides."""
        own = {"label": self.label, "loss": self.text, "l1": self.l1, "moving": self.moving}
        training = {**TRAINING, "algorithm": self.algorithm}
        if self.algorithm and read_algorithm(self.algorithm).kind.networks == 2:
            training["clip_norm"] = None  # a norm over two networks would couple them
        return Recipe(paper=None, source="compare", **own, **training, **fields)


# What a bare name stands for on data with 10 classes; AUL, AGCE and AEL as Ou & Zhang 2023 have them on CIFAR-10.
RECOMMENDED = {
    "AUL": Contender("AUL(a=1.1, q=5)"),
    "AGCE": Contender("AGCE(a=0.1, q=0.1)"),
    "AEL": Contender("AEL(a=1.5)"),
    "ANLCE": Contender("ANLCE(alpha=5, beta=5)", l1=5e-5),
    "ANLFL": Contender("ANLFL(alpha=5, beta=5)", l1=5e-5),
    "DAL": Contender("DAL()", moving="DALSchedule()"),
    "NCEandAGCE": Contender("NCEandAGCE(alpha=1, beta=4, a=6, q=1.5)"),
    "NCEandAUL": Contender("NCEandAUL(alpha=1, beta=4, a=6.3, q=1.5)"),
    "NCEandAEL": Contender("NCEandAEL(alpha=1, beta=4, a=5)"),
}


def contender(text: str) -> Contender:
    """A bare name with the arguments that suit 10 classes, "NAME(...)" exactly as written.

    An algorithm has its loss as the first argument, "ELR(DAL(), lam=3)"; without one it is cross entropy.

    Raises:
        ValueError: for anything that is neither a loss nor an algorithm of this package, or a loss that cannot be
            trained on.

    Example:

    >>> keras_robust.comparison.contender("ANLCE")
    Contender(text='ANLCE(alpha=5, beta=5)', l1=5e-05, moving=None, algorithm=None)
    """
    algorithm, loss = split_algorithm(text)
    found = RECOMMENDED.get(loss) or Contender(f"{loss}()" if loss in LOSSES else loss)
    if algorithm:
        read_algorithm(algorithm)
        found = replace(found, algorithm=algorithm)
    if found.loss().reduction is None:
        refuse("contender", "reduction", "one that makes a number of a batch, for a loss to train on", None)
    return found


def compare(
    folder,
    dataset: str | Dataset = "digits",
    noise: str | None = "symmetric:0.4",
    losses=("CE", "GCE", "NCEandRCE", "ANLCE", "DAL"),
    epochs: int = 60,
    seeds: int = 3,
    data_dir=None,
    console: Console | None = None,
    pipeline: str | None = None,
    validation: float = 0.0,
) -> Grid:
    """Trains every loss on the same wrong labels, once for each seed, and shows its progress.

    How well a loss tells wrong labels from clean ones is measured on the log of every sample's margin: among as many
    samples of lowest mean margin as there are wrong labels, the share that is truly wrong; and the area under the ROC
    curve.

    Each run has a folder of its own in `folder`, as those of `recipes.run` have; `folder` has table.csv, runs.csv (one
    line an epoch) and accuracy.png. What was stopped resumes when it is called again, and runs that are done are read:
    losses and seeds may be added later.

    Args:
        folder: of all results.
        dataset: name of a data set whose clean labels are known: "digits", "mnist", "cifar10", "cifar10n", ...; or
            what `data.own_images` makes of a folder of your own, which `data_dir` names too. Its labels are taken as
            they are (`noise` None), and a share of them is held out (`validation`).
        noise: a noise string such as "symmetric:0.4"; None for clean labels. Seed s draws its own labels.
        losses: losses as `contender` reads them.
        epochs: epochs of each run, at least 1.
        seeds: number of seeds, at least 1; they are 0, 1, ...
        data_dir: folder of the data set, as `data.load` takes it.
        console: where the noise and the progress go; the terminal by default.
        pipeline: as `recipes.run` takes it.
        validation: share of the training images that is held out with its noisy labels. From them the accuracy on
            clean labels is estimated with its interval (`diagnostics.clean_accuracy`), with the matrix of the wrong
            labels, and the losses are ranked by it: so one chooses without a clean label. 0: nothing is held out.

    Raises:
        ValueError: for an unknown data set, noise or loss, or a loss named twice.
        FileExistsError: if the folder holds something else.
        TimeoutError: if another process is running in the folder.
    """
    row, contenders = _checked("compare", dataset, losses, epochs, seeds)
    if row.files and (before := next(pathlib.Path(folder).glob(f"*/{LISTING}"), None)):
        refuse_changed(before, data_dir)
    held_out = {"validation": validation, "validation_labels": "noisy"} if validation else {}
    shared = {"dataset": dataset, "noise": noise or row.human, "network": row.network, "epochs": int(epochs)}
    shared |= held_out
    here = Conditions(data_dir=data_dir, pipeline=pipeline)
    entries = [
        Entry(one.label, here.prepared("compare", one.recipe(**shared)), {"loss": one.label}) for one in contenders
    ]
    result = train_grid(folder, entries, range(int(seeds)), here, console, _VARYING).ranked()
    result.save()
    measured = {"measured": "agreement with held-out labels"} if row.untested else {}
    with whole(result.folder / "accuracy.png") as draft:
        plots.accuracy_curves(result.accuracies(), title=result.title, **measured).figure.savefig(draft)
    return result


def compare_backdoors(
    folder,
    dataset: str = "digits",
    triggers=("local", "global"),
    losses=("CE", "GCE", "DAL"),
    epochs: int = 60,
    seeds: int = 3,
    poisoned: int = 100,
    target: int = 0,
    data_dir=None,
    console: Console | None = None,
    pipeline: str | None = None,
) -> Grid:
    """Trains every loss on images of which some carry a trigger and the label `target`, then attacks it with it.

    The table has the accuracy on clean test images, and the success rate: of the test images that the model does not
    take for `target` as they are, the share that it takes for it once they carry the trigger. A loss that gives up
    wrong labels gives up the trigger, whose images are few and labeled wrong.

    Files and resuming are as in `compare`. What Li et al. 2023 print are recipes: "dal/cifar10/backdoor:local/ce".

    Reference: Li et al. 2023, section 5.6 and Table 6: 100 images, a local or a global trigger.

    Args:
        folder: of all results.
        dataset: name of a data set whose clean labels are known.
        triggers: "local", "global" or both, as `noise.add_trigger` has them.
        losses: losses as `contender` reads them.
        epochs, seeds, data_dir, console, pipeline: as in `compare`.
        poisoned: how many images of other classes carry the trigger in training.
        target: the attacker's class.

    Raises:
        ValueError: for an unknown data set, trigger or loss, one that is named twice, or a class that is not there.
        FileExistsError: if the folder holds something else.
        TimeoutError: if another process is running in the folder.
    """
    row, contenders = _checked("compare_backdoors", dataset, losses, epochs, seeds)
    if not triggers or len(set(triggers)) < len(triggers):
        refuse("compare_backdoors", "triggers", "at least one trigger, none of them twice", list(triggers))
    shared = {"dataset": dataset, "network": row.network, "poisoned": poisoned, "target": target, "epochs": int(epochs)}
    here, entries = Conditions(data_dir=data_dir, pipeline=pipeline), []
    for trigger in triggers:
        for one in contenders:
            recipe = here.prepared("compare_backdoors", one.recipe(backdoor=trigger, **shared))
            entries.append(Entry(f"{one.label} {trigger}", recipe, {"loss": one.label, "trigger": trigger}))
    title = f"{dataset}, a trigger in {poisoned} images that are labeled {target}"
    result = train_grid(folder, entries, range(int(seeds)), here, console, (*_VARYING, "backdoor"), title)
    result.save()
    return result


def _checked(owner, dataset, losses, epochs, seeds):
    """The row of the data set, and the losses."""
    for name, count in (("epochs", epochs), ("seeds", seeds)):
        Interval(1, integer=True).check(owner, name, count)
    known = tuple(row.name for row in CATALOG.values() if row.network)
    row, contenders = row_of(dataset, owner, "dataset", known), [contender(text) for text in losses]
    if not contenders or len(set(contenders)) < len(contenders):
        refuse(owner, "losses", "at least one loss, none of them twice", list(losses))
    return row, contenders
