"""Which tests are those of one loss: `pytest --loss GCE`, `make check LOSS=GCE`."""

import pytest
from cases import NAMES, Case


def of_loss(name, items):
    """The tests among whose parameters is a row of the loss, its class, an instance of it, or its very name."""
    if name not in NAMES:
        raise pytest.UsageError(f"There is no loss {name!r}. Known losses: {', '.join(sorted(NAMES))}.")
    return [item for item in items if name in _losses_of(item)]


def _losses_of(item):
    for value in item.callspec.params.values() if hasattr(item, "callspec") else ():
        if isinstance(value, Case):
            yield value.name
        elif isinstance(value, str):
            yield value
        else:
            yield getattr(value, "__name__", type(value).__name__)
