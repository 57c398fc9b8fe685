"""What the docstrings in a settings model say of its fields.

pydantic can read them too (`use_attribute_docstrings`), but does it for every class that is defined: at every start of
the command line, which only a schema needs.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise

from archspec.offers import Settings


@cache
def field_descriptions(model: type[Settings]) -> dict[str, str]:
    """The text under each field of a model, or in its `Field(description=...)`, which wins."""
    found: dict[str, str] = {}
    for ancestor in reversed(model.__mro__):
        if issubclass(ancestor, Settings):
            found.update(_docstrings(ancestor))
    said = {name: field.description for name, field in model.model_fields.items() if field.description}
    texts = {**found, **said}
    return {name: " ".join(texts[name].split()) for name in model.model_fields if name in texts}


def _docstrings(model: type) -> dict[str, str]:
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    except (OSError, TypeError, SyntaxError):  # made in a shell, or shipped without its source
        return {}
    statements = body.body if isinstance(body, ast.ClassDef) else []
    found = {}
    for field, text in pairwise(statements):
        named = isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if named and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[field.target.id] = str(text.value.value)  # type: ignore[attr-defined]
    return found
