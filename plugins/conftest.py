"""What the tests of all sample plugins share: processes that they start get the default signals."""

from default_signals import restore_default_signals

restore_default_signals()
