"""The discriminators: one file an architecture, each a ``Discriminator``."""
