"""What a plugin offers: a name, a model of its options, and the function that does the work.

A settings field that names an offer is annotated `Annotated[Options, Offered("norms")]`. The document reader looks
the name up, validates the offer's own options (with their line and column), and puts them in the field. A settings
file never names Python: only what an installed plugin offers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, PrivateAttr

from archspec.errors import KeyPath


class Settings(BaseModel):
    """The base of every settings model: strict types, no unknown keys, frozen after it is parsed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    document_keys: ClassVar[tuple[str, ...]] = ()
    """Keys that a document may have beside the fields, because they are resolved before it is read."""
    bare_key: ClassVar[str | None] = None
    """The field that a bare text in a document stands for: `weights: a.pth` for `weights: {file: a.pth}`."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))


class Options(Settings):
    """The options of an offer. A plugin derives its own from this.

    `offer` is the offer that they belong to; the document reader sets it, and where they were read.
    """

    _offer: Offer[Any] | None = PrivateAttr(default=None)
    _read_at: tuple[Any, KeyPath] | None = PrivateAttr(default=None)

    @property
    def offer(self) -> Offer[Any]:
        # not `self._offer`: pydantic's way to a private attribute took a fifth of the time of a plan
        offer: Offer[Any] | None = (self.__pydantic_private__ or {}).get("_offer")
        assert offer is not None, "options come from `archspec.spec.read_settings`, which knows their offer"
        return offer

    @property
    def read_at(self) -> tuple[Any, KeyPath] | None:
        """The node that they were read from, and its path, so that a later error can still point at its line."""
        return self._read_at

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and _offer_name(self) == _offer_name(other)

    def __hash__(self) -> int:
        return hash((super().__hash__(), _offer_name(self)))

    def of(self, offer: Offer[Any], read_at: tuple[Any, KeyPath] | None = None) -> Options:
        """These options, as options of `offer`."""
        self._offer, self._read_at = offer, read_at
        return self


def _offer_name(options: object) -> str | None:
    offer = options._offer if isinstance(options, Options) else None
    return offer.name if offer else None


O = TypeVar("O", bound=Options)  # noqa: E741


@dataclass(frozen=True)
class Offer(Generic[O]):
    """One thing that a plugin offers. The hook that returns it says what `make` is called with."""

    options: type[O]
    make: Callable[..., Any]
    summary: str = ""
    """One line, as `archspec plugins list` shows it."""
    name: str = ""
    """Set by the plugin manager, like `kind` and `origin`."""
    kind: str = ""
    origin: str = ""
    """Who offers it: `archspec 0.1.0`, `archspec-ghost 0.1`."""
    docs: str | None = None
    """Where more is to be read: an address."""
    cannot: str | None = None
    """What it cannot do, in a line, as `archspec plugins show` tells it."""
    rewrite: Callable[..., Any] | None = None
    """Of freezing policies: what adds parameters to a plan. The hook says more."""

    @property
    def built_in(self) -> bool:
        return self.origin.startswith("archspec ")

    def __post_init__(self) -> None:
        if not (isinstance(self.options, type) and issubclass(self.options, Options)):
            raise TypeError(f"`options` must be a subclass of archspec.Options, not {self.options!r}")
        if not callable(self.make):
            raise TypeError(f"`make` must be callable, not {self.make!r}")
        if self.rewrite is not None and not callable(self.rewrite):
            raise TypeError(f"`rewrite` must be callable, not {self.rewrite!r}")
        for name, text in (("summary", self.summary), ("docs", self.docs or ""), ("cannot", self.cannot or "")):
            if not isinstance(text, str):
                raise TypeError(f"`{name}` must be a text, not {text!r}")


def offers_in(*settings: Settings) -> Iterator[Offer[Any]]:
    """The offers that settings name, at any depth; one that is named twice comes twice."""
    for part in settings:
        if isinstance(part, Options) and part._offer is not None:
            yield part._offer
        for name in type(part).model_fields:
            value = getattr(part, name)
            yield from offers_in(*(item for item in _items(value) if isinstance(item, Settings)))


def _items(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else (value,)


def singular(kind: str) -> str:
    """`blocks` -> `block`, `losses` -> `loss`, `freezing_policies` -> `freezing policy`."""
    words = kind.replace("_", " ")
    for plural, one in (("ies", "y"), ("sses", "ss"), ("s", "")):
        if words.endswith(plural):
            return words.removesuffix(plural) + one
    return words


@dataclass(frozen=True)
class Offered:
    """Marks a settings field whose value names an offer of one kind.

    In a document it is the bare name (`norm: batch`), or a map with the name under `key` and the offer's options
    beside it (`norm: {type: batch, eps: 1e-3}`). Where the document has nothing, `default` is looked up.
    """

    kind: str
    """The plural the hook is named after: "norms" for `archspec_norms`."""
    key: str = "type"
    default: str | None = None
