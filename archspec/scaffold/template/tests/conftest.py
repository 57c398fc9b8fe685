"""The fixtures of archspec's test kit, for the tests of this folder."""

from archspec.testing.fixtures import archspec_plugins, archspec_run, tiny_photos

__all__ = ["archspec_plugins", "archspec_run", "tiny_photos"]
