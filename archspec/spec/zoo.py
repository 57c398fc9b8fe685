"""The zoo: specs that come with archspec, found by name in any folder."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from archspec.errors import ArchspecError
from archspec.paths import is_file, is_folder
from archspec.plugins import closest

_SUFFIXES = (".yaml", ".yml")


@cache
def zoo_folder() -> Path:
    """Where the specs lie: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "zoo"
    return installed if installed.is_dir() else package.parent / "specs"


def zoo_files() -> dict[str, Path]:
    """The files of the zoo by name: `cifar-resnet20`, `resnet18`, ..."""
    return dict(sorted((path.stem, path) for path in zoo_folder().glob("*.yaml")))


def zoo_names() -> list[str]:
    """The names of the zoo."""
    return list(zoo_files())


def find_spec(path: Path | str) -> Path:
    """The file of a spec: a path, or a bare name of the zoo.

    Raises:
        ArchspecError: it is neither.

    """
    file, name = Path(path), str(path)
    if not name:
        raise ArchspecError("the name of the spec is empty", help=_examples())
    if is_file(file):
        return file
    bare = file.name == name and file.suffix not in _SUFFIXES
    if bare and name in zoo_names():
        return zoo_folder() / f"{name}.yaml"
    if is_folder(file):
        raise ArchspecError(f"'{name}' is a folder, not a spec")
    match = closest(file.stem, zoo_names())
    help = f"did you mean the zoo's '{match}'?" if match else _examples()
    raise ArchspecError(f"there is no spec '{name}'", help=help)


def _examples() -> str:
    names = zoo_names()
    return f"give a file, or one of {len(names)} names such as {', '.join(names[:: max(1, len(names) // 6)])}"
