"""Room for the frames of Python's calls.

Python maps memory for them in pieces of 16 KiB, and unmaps a piece with the last call that is in it. A loop whose calls
cross the end of a piece maps and unmaps one each time: in half a minute of tests on TensorFlow 430,000 times.
"""


def roomy(function):
    """The function, whose calls are given a piece of 2 MiB: what they call finds room in the half that is left."""
    function.__code__ = function.__code__.replace(co_stacksize=1 << 17)
    return function
