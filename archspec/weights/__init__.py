"""Weights from files, ours and foreign, into a network, with proof of what was loaded."""
