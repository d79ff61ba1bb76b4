"""Image super-resolution experiments: PyTorch Lightning runs them, Hydra composes them."""

__version__ = "0.1.0"
