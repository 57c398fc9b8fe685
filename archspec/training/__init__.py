"""Training: the recipe, the loop, evaluation, and the run directory."""
