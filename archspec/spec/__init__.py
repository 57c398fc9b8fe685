"""YAML text -> ArchSpec. No torch here."""
