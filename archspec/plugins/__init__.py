"""Finds, loads and blocks plugins, and knows who offers what.

Of what is installed, nothing is read before something asks for what no built-in offers, and nothing is imported before
that. A plugin that fails is a `Problem`, with its distribution, version, hook and the way out, and the rest go on.
"""

from archspec.plugins.manager import Plugins, default_plugins, plugins_for
from archspec.plugins.names import closest
from archspec.plugins.plugin import Plugin, Problem

__all__ = ["Plugin", "Plugins", "Problem", "closest", "default_plugins", "plugins_for"]
