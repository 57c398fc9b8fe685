"""A plugin's fault is told as that plugin's: its version, and where in its code."""

from __future__ import annotations

import contextlib
import io
import sys
import traceback
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from archspec.errors import ArchspecError, PluginError, Refusal, place_raised
from archspec.offers import Offer
from archspec.plugins.plugin import Plugin

_CALLED_LATER = ("schedules", "losses", "freezing_policies", "exporters")
"""What their `make` returns is a plain function, which a run or an export calls."""


_RAW: ContextVar[bool] = ContextVar("raw", default=False)


@contextlib.contextmanager
def faults_as_they_are() -> Iterator[None]:
    """A context in which the functions of offers are called as they are: a test kit has its own words for a fault."""
    token = _RAW.set(True)
    try:
        yield
    finally:
        _RAW.reset(token)


def raw_faults() -> bool:
    """Whether the test kit is at work, which has its own words for a fault."""
    return _RAW.get()


@dataclass(frozen=True)
class Blamed:
    """A function of a plugin's offer, whose faults name the plugin; it can be pickled, where the function can.

    What it prints goes to standard error: standard output is for what a command was asked for.
    """

    function: Callable[..., Any]
    what: str
    """`'ghost' among blocks of archspec-ghost 0.1`."""
    package: str
    kind: str = ""

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        if _RAW.get():
            return self.function(*arguments, **keywords)
        try:
            with contextlib.redirect_stdout(sys.stderr):
                made = self.function(*arguments, **keywords)
        except (ArchspecError, Refusal):  # what it means to say
            raise
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise PluginError(f"{self.what} fails: {describe_fault(error, self.package)}") from error
        if self.kind in _CALLED_LATER and callable(made):
            return Blamed(made, self.what, self.package)
        return made


def describe_fault(error: BaseException, package: str) -> str:
    """`ValueError: what it says (file:line)`, where the line is the last one of the package that the error came by."""
    place = place_in(error, package)
    if place is None and error.__traceback__ is not None and error.__traceback__.tb_next is not None:
        place = place_raised(error)  # in what the package called, by way of no frame of its own
    return describe_error(error) + (f" ({place})" if place else "")


def place_of(error: BaseException, offer: Offer[Any]) -> str:
    """Where in the code of an offer's plugin an error was raised, or came by."""
    package = offer.make.package if isinstance(offer.make, Blamed) else ""
    return place_in(error, package) or place_raised(error)


def describe_error(error: BaseException) -> str:
    """The type and what it says, in one line; of `sys.exit`, what that means here."""
    if isinstance(error, SystemExit):
        return f"it calls sys.exit({error.code!r})"
    try:
        said = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
    except Exception:  # an error that cannot even be told
        said = ""
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def place_in(error: BaseException, package: str) -> str | None:
    """The last file and line of a package that an error came by; None where it came by none."""
    place = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] == package:
            place = f"{frame.f_code.co_filename}:{line}"
    return place


def blame(error: BaseException, plugins: list[Plugin]) -> PluginError | None:
    """The error as that of the plugin whose code it came by; None where it came by none."""
    for plugin in plugins:
        if plugin.source != "built-in" and (place := place_in(error, plugin.package)):
            what = f"plugin '{plugin.name}' of {plugin.origin} fails: {describe_error(error)} ({place})"
            return PluginError(what, help=f"block it with `-p no:{plugin.name}`, or tell its author")
    return None


class _Kept(io.BytesIO):
    """Stays open: a plugin that wraps `sys.stdout.buffer` anew closes it when the wrapper goes."""

    def close(self) -> None:
        """Nothing."""


@contextlib.contextmanager
def heard() -> Iterator[Callable[[], str]]:
    """A context in which standard output is kept back; what it yields tells what was printed."""
    buffer = _Kept()
    output = io.TextIOWrapper(buffer, encoding="utf-8", errors="replace", write_through=True)

    def said() -> str:
        return buffer.getvalue().decode("utf-8", errors="replace")

    with contextlib.redirect_stdout(output):
        yield said
