"""`archspec` in a process that stands still, or dies, at a known event. `halting.py` starts it.

The events are Python's own audit events, such as `open` and `os.rename`, of paths that match a pattern. They are
counted in each process for itself, from when a file is there: a loader's process inherits the count, one of a pool
begins its own.
"""

import fnmatch
import json
import os
import signal
import sys
from pathlib import Path

_RULE = json.loads(os.environ["ARCHSPEC_TEST_HALT"])
_FIRST = int(os.environ.setdefault("ARCHSPEC_TEST_FIRST", str(os.getpid())))
_state = {"count": 0, "busy": False}


def _matches(event, arguments):
    if event not in _RULE["events"] or (_RULE["writing"] and event == "open" and not _writes(arguments)):
        return False
    paths = [os.fsdecode(path) for path in arguments[:2] if isinstance(path, (str, bytes, os.PathLike))]
    return any(fnmatch.fnmatchcase(path, _RULE["paths"]) for path in paths)


def _writes(arguments):
    _, mode, flags = arguments
    return any(letter in mode for letter in "wax+") if mode else bool(flags & (os.O_WRONLY | os.O_RDWR))


def _hook(event, arguments):
    if _state["busy"] or not _matches(event, arguments) or _RULE["within"] not in ("all", _process()):
        return
    if _RULE["after"] is not None and not Path(_RULE["after"]).exists():
        return
    _state["count"] += 1
    if _state["count"] == _RULE["at"]:
        _state["busy"] = True
        try:
            _die() if _RULE["die"] else _stand_still()
        finally:
            _state["busy"] = False


def _process():
    return "first" if os.getpid() == _FIRST else "workers"


def _die():
    """As `kill -9` of the whole group does."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _stand_still():
    """Until somebody opens the pipe's other end. A signal's handler runs meanwhile, and may raise."""
    folder = Path(_RULE["folder"])
    (folder / f"reached-{os.getpid()}").touch()
    os.close(os.open(folder / "go", os.O_RDONLY))


sys.addaudithook(_hook)

if __name__ == "__main__":
    from archspec.cli import main

    main()
