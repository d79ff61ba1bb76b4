"""Images on disk become batches: sources, the pixel cache, the sampler, the LightningDataModule."""
