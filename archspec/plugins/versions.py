"""Whether a version is one that a requirement asks for, such as `archspec-nn>=0.1,<0.3` in a plugin's metadata.

Release numbers alone are compared, as every installer does for releases: `packaging` is no dependency of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import zip_longest

DISTRIBUTION = "archspec-nn"

_REQUIREMENT = re.compile(r"\s*([\w.-]+)\s*(?:\[[^\]]*\])?\s*\(?([^;()]*)\)?\s*(;.*)?")
_CLAUSE = re.compile(r"\s*(===|==|~=|!=|<=|>=|<|>)\s*v?(\d+(?:\.\d+)*)(\.\*)?[\w.+!-]*\s*")


def unmet(requirements: Iterable[str], version: str, distribution: str = DISTRIBUTION) -> str | None:
    """The first requirement of a distribution that a version of it does not meet, as it is written; None where all are.

    What only an extra or a platform asks for is left out, and so is what cannot be read: an installer has seen it.
    """
    for requirement in requirements:
        found = _REQUIREMENT.fullmatch(requirement)
        if found is None or found[3] or re.sub(r"[-_.]+", "-", found[1]).lower() != distribution:
            continue
        if not all(_meets(version, clause) for clause in found[2].split(",")):
            return found[2].strip()
    return None


def _meets(version: str, clause: str) -> bool:
    found = _CLAUSE.fullmatch(clause)
    release = re.match(r"\d+(?:\.\d+)*", version)
    if found is None or release is None:
        return True
    operator, wanted, here = found[1], _numbers(found[2]), _numbers(release[0])
    order = _compare(here, wanted)
    if operator == "~=":
        return order >= 0 and here[: len(wanted) - 1] == wanted[:-1]
    if found[3]:  # `== 1.2.*`
        return (here[: len(wanted)] == wanted) == (operator == "==")
    return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0, "!=": order != 0}.get(
        operator, order == 0
    )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def _compare(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    for left, right in zip_longest(one, other, fillvalue=0):
        if left != right:
            return 1 if left > right else -1
    return 0
