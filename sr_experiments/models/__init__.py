"""The LightningModules: one per training procedure."""
