"""Writes the package of a new plugin, which installs and passes its tests at once. No torch here."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from string import Template

from archspec import __version__
from archspec.errors import DataError, PluginError
from archspec.hookspecs import KINDS
from archspec.offers import singular
from archspec.plugins import Plugins, closest

_TEMPLATE = Path(__file__).parent / "template"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 30
_RESERVED = {
    "nn": "archspec itself is distributed as archspec-nn",
    "all": "ARCHSPEC_DISABLE_PLUGINS=all means every plugin",
    **dict.fromkeys(("null", "true", "false"), "a document reads it as a value, and not as text"),
}
"""Names that mean something else where a plugin's name stands."""
_PLACES = {
    "package.toml": "pyproject.toml",  # under their own names, tools would heed these here
    "gitignore": ".gitignore",
    "test.yml": ".github/workflows/test.yml",
    "py.typed": "src/$module/py.typed",
    "README.md": "README.md",
    "tests/conftest.py": "tests/conftest.py",
}
"""Where the files of every package go."""
_USES = {
    "blocks": "archspec build resnet18 --set 'stages.*.block=$name'",
    "stems": "archspec build resnet18 --set 'stem={type: $name}'",
    "heads": "archspec build resnet18 --set 'head={type: $name, classes: 10}'",
    "norms": "archspec build resnet18 --set defaults.norm=$name",
    "activations": "archspec build resnet18 --set defaults.activation=$name",
    "shortcuts": "archspec build resnet18 --set defaults.shortcut=$name",
    "attentions": "archspec build resnet18 --set defaults.attention=$name",
    "datasets": "archspec data inspect $name:FOLDER",
    "samples": "archspec data sample $name FOLDER",
    "transforms": "archspec data preview DATA --set 'recipe.augmentation=[{type: random-crop}, {type: $name}]'",
    "optimizers": "archspec train SPEC --data DATA --set recipe.optimizer=$name",
    "schedules": "archspec train SPEC --data DATA --set recipe.schedule=$name",
    "losses": "archspec train SPEC --data DATA --set recipe.loss=$name",
    "trackers": "archspec train SPEC --data DATA --set 'recipe.trackers=[$name]'",
    "exporters": "archspec export RUN --to $name",
    "freezing_policies": "archspec freeze plan resnet18 --freeze $name",
    "run_events": "archspec train SPEC --data DATA --set 'recipe.events=[$name]'",
    "commands": "archspec $name resnet18",
}


def option_of(kind: str) -> str:
    """`blocks` -> `block`, `freezing_policies` -> `freezing-policy`: a kind as `--with` names it."""
    return singular(kind).replace(" ", "-")


def file_of(kind: str) -> str:
    """`freezing_policies` -> `freezing_policy`: a kind's file, without its ending."""
    return singular(kind).replace(" ", "_")


KINDS_BY_OPTION = {option_of(kind): kind for kind in KINDS if (_TEMPLATE / f"src/{file_of(kind)}.py").exists()}
"""What a package can be made with."""


def read_kinds(text: str) -> list[str]:
    """`block,freezing-policy` -> the kinds, each once, in the contract's order. The plurals are understood, too.

    Raises:
        PluginError: there is no such kind, or none is named.

    """
    wanted = set()
    for word in text.replace(",", " ").split():
        option = word.lower().replace("_", "-")
        plural = next((one for one, kind in KINDS_BY_OPTION.items() if kind.replace("_", "-") == option), option)
        if plural not in KINDS_BY_OPTION:
            match = closest(option, KINDS_BY_OPTION)
            meant = f"; did you mean '{match}'?" if match else ""
            raise PluginError(f"a plugin cannot offer a '{word}'{meant}", help=f"known: {', '.join(KINDS_BY_OPTION)}")
        wanted.add(KINDS_BY_OPTION[plural])
    if not wanted:
        raise PluginError("`--with` names nothing", help=f"name some of {', '.join(KINDS_BY_OPTION)}")
    return [kind for kind in KINDS if kind in wanted]


def write_package(name: str, kinds: Iterable[str], parent: Path) -> Path:
    """Write `archspec-NAME` into a folder, whole or not at all; its offers are called `name`. Returns where it is.

    Raises:
        PluginError: the name cannot be one, or a built-in plugin has it or offers it.
        DataError: the folder is there already, or cannot be written.

    """
    kinds = list(kinds)
    _check_name(name, kinds)
    target = parent / f"archspec-{name}"
    if os.path.lexists(target):
        raise DataError(f"'{target}' exists already", file=target, help="take another name, or move it away")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=parent) as beside:
            package = Path(beside) / target.name
            for path, text in package_files(name, kinds).items():
                (package / path).parent.mkdir(parents=True, exist_ok=True)
                (package / path).write_text(text, encoding="utf-8", newline="\n")
            package.rename(target)
    except OSError as error:
        raise DataError(f"'{target}' cannot be written: {error.strerror or error}", file=target) from error
    return target


def _check_name(name: str, kinds: Iterable[str]) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        suggested = re.sub(r"[^a-z0-9]+", "-", name.lower().removeprefix("archspec")).strip("-")[:_LONGEST].strip("-")
        meant = f"; did you mean '{suggested}'?" if _NAME.fullmatch(suggested) else ""
        help = f"small letters and digits, from a letter on, with single hyphens between, {_LONGEST} characters at most"
        raise PluginError(f"'{name}' cannot name a plugin{meant}", help=help)
    if name in _RESERVED:
        raise PluginError(f"'{name}' cannot name a plugin: {_RESERVED[name]}", help="take another one")
    if name.startswith("archspec-"):
        help = f"say {name.removeprefix('archspec-')}"
        raise PluginError(f"'{name}' begins with 'archspec-', which is added by itself", help=help)
    built_in = Plugins(installed=False)
    taken = [f"a built-in {singular(kind)}" for kind in kinds if name in built_in.offers(kind)]
    if any(plugin.name == name for plugin in built_in.plugins):
        taken.append("a built-in plugin")
    if taken:
        raise PluginError(f"'{name}' is the name of {taken[0]}", help="two offers of one name clash: take another one")


def package_files(name: str, kinds: Iterable[str]) -> dict[str, str]:
    """The files of a plugin's package, by their paths in it."""
    kinds = list(kinds)
    module = f"archspec_{name.replace('-', '_')}"
    values = {
        "name": name,
        "module": module,
        "offers": listed([with_article(singular(kind)) for kind in kinds]),
        "uses": _uses(name, kinds),
        **dict(zip(("least", "next"), supported(__version__), strict=True)),
    }
    files = {"src/$module/__init__.py": _init(kinds)}
    files |= {place: _read(path) for path, place in _PLACES.items()}
    for kind in kinds:
        stem = file_of(kind)
        files[f"tests/test_{stem}.py"] = _read(f"tests/test_{stem}.py")
        files[f"src/$module/{stem}.py"] = _read(f"src/{stem}.py")
        if (_TEMPLATE / f"src/{stem}_torch.py").exists():
            files[f"src/$module/{stem}_torch.py"] = _read(f"src/{stem}_torch.py")
    return {Template(path).substitute(values): Template(text).substitute(values) for path, text in files.items()}


def _read(path: str) -> str:
    return (_TEMPLATE / path).read_text(encoding="utf-8")


def _init(kinds: Iterable[str]) -> str:
    """`__init__.py`: the module that the entry point names holds every hook."""
    hooks = {file_of(kind): f"archspec_{kind}" for kind in kinds}
    imports = "".join(f"from .{stem} import {hook}\n" for stem, hook in sorted(hooks.items()))
    names = "".join(f'    "{hook}",\n' for hook in sorted(hooks.values()))
    return f'"""The hooks of the plugin, where archspec finds them."""\n\n{imports}\n__all__ = [\n{names}]\n'


def _uses(name: str, kinds: Iterable[str]) -> str:
    lines = "".join(f"$$ {_USES[kind]}\n" for kind in kinds)
    return Template(f"```console\n{lines}```").substitute(name=name)


def supported(version: str) -> tuple[str, str]:
    """The versions of archspec that a new plugin names: from this one, and below the next that may break it."""
    major, minor = map(int, version.split(".")[:2])
    return version, f"0.{minor + 1}" if major == 0 else str(major + 1)


def with_article(noun: str) -> str:
    """`an optimizer`, `a block`."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def listed(words: list[str]) -> str:
    """`a block`, `a block and a stem`, `a block, a stem and a head`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
