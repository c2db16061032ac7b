"""The physics of `skim sample`: synthetic events like those of FastPUPPI, in flat NumPy arrays."""
