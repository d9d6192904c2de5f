"""The state of a run after its last whole epoch."""

import pathlib
import re

import keras

from keras_robust.files import whole


class Checkpoint(keras.callbacks.Callback):
    """Keeps weights and optimizer of the last epoch, in one file that is there whole or not at all.

    Keras' BackupAndRestore writes the weights, then the number of the epoch: a run that is killed between the two
    repeats an epoch with weights that have seen it. Here the number is in the name of the file.

    Args:
        folder: where the file is kept.
    """

    def __init__(self, folder):
        super().__init__()
        self.folder = pathlib.Path(folder)

    @property
    def file(self) -> pathlib.Path | None:
        """The newest file, or None."""
        return max(self.folder.glob("checkpoint-*.weights.h5"), default=None)

    @property
    def epoch(self) -> int:
        """Number of epochs that are done."""
        return int(re.search("[0-9]+", self.file.name).group()) if self.file else 0

    def restore(self, model) -> None:
        """Gives the model, compiled and built, the state that was kept, if there is any.

        Raises:
            ValueError: naming the file, if it is damaged or of another model.
        """
        if self.file:
            model.optimizer.build(model.trainable_variables)
            try:
                model.load_weights(self.file)
            except (OSError, ValueError, KeyError, RuntimeError) as error:
                raise ValueError(
                    f"{self.file} is damaged, or of another model: {error} Remove its folder to start that run over."
                ) from error

    def clear(self) -> None:
        """Removes what was kept."""
        for file in self.folder.glob("checkpoint-*.weights.h5"):
            file.unlink()

    def on_epoch_end(self, epoch, logs=None):
        before = self.file
        with whole(self.folder / f"checkpoint-{epoch + 1:05d}.weights.h5") as draft:
            self.model.save_weights(draft)
        if before:
            before.unlink()
