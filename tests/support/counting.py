"""Work as a number that is the same on every machine: calls of functions, and of what C has."""

import sys


def count_calls(function, *arguments):
    """How many calls of Python's and of C's functions a call makes, itself among them."""
    counted = 0

    def count(frame, event, argument):
        nonlocal counted
        counted += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        function(*arguments)
    finally:
        sys.setprofile(before)
    return counted
