"""Callbacks that compare losses of different epochs, while a number of the loss moves."""

import warnings

import keras

_WATCHERS = (keras.callbacks.EarlyStopping, keras.callbacks.ModelCheckpoint, keras.callbacks.ReduceLROnPlateau)


def listed(callbacks) -> list:
    """What `fit` takes as callbacks, a list, one callback, a `CallbackList` or None, as a list."""
    callbacks = getattr(callbacks, "callbacks", callbacks)
    return list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks] if callbacks else []


def introduce(callbacks) -> None:
    """Tells each callback that asks for it, by a method `stand_beside`, which ones it stands beside in a `fit`.

    Args:
        callbacks: what `fit` takes: a list, one callback, a `CallbackList` or None.
    """
    callbacks = listed(callbacks)
    for one in callbacks:
        if hasattr(one, "stand_beside"):
            one.stand_beside(callbacks)


def warn_of_watchers(callbacks, stacklevel: int = 3) -> None:
    """Warns of each callback that watches a loss which another one, with a dict `schedules`, makes incomparable.

    Args:
        callbacks: what `fit` takes: a list, one callback, a `CallbackList` or None.

    Warns:
        UserWarning: naming the watcher and what moves.

    Example:

    >>> warn_of_watchers([keras.callbacks.EarlyStopping("val_loss")])
    """
    callbacks = listed(callbacks)
    moving = [name for one in callbacks for name in getattr(one, "schedules", ())]
    for one in callbacks:
        compares = isinstance(one, _WATCHERS) and getattr(one, "save_best_only", True)
        if moving and compares and "loss" in str(one.monitor):
            warnings.warn(
                f"{type(one).__name__} watches {one.monitor!r}, whose values in different epochs are not comparable "
                f"while {', '.join(moving)} moves. Let it watch an accuracy.",
                stacklevel=stacklevel,
            )
