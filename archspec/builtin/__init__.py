"""The built-in plugins. They import what an outsider imports, and nothing else."""
