"""The networks: one file an architecture, each an ``SRNet``."""
