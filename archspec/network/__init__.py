"""Plan -> torch.nn.Module."""
