"""Numbers of samples in a training step: rows of what is kept of each sample, and numbers that are out of range."""

from keras import ops

from keras_robust.backend import select

#: Numbers of samples, and class ids, are int32.
LARGEST_INDEX = 2**31 - 1


def rows_of(index, num_samples: int):
    """Rows of the samples of a batch, (batch,), int32; row `num_samples`, a spare one, for numbers out of range.

    A compiled step cannot refuse such a number: what keeps rows looks at the spare one afterwards.
    """
    # Compared before they are made int32, where 2^32 would be 0.
    rows = ops.reshape(ops.convert_to_tensor(index), (-1,))
    known = ops.logical_and(rows >= 0, rows < num_samples)
    return ops.cast(select(known, rows, num_samples), "int32")


def refuse_strays(owner: str, num_samples: int):
    """Says that a number was out of range.

    Raises:
        ValueError: always.
    """
    raise ValueError(
        f"A sample number was outside [0, {num_samples}), the numbers that num_samples={num_samples} of {owner} "
        "allows. Number the training samples from 0, and count them all."
    )
