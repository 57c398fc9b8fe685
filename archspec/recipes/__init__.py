"""Named recipes, as YAML."""
