"""Studies: benchmarks, ablation, the making of the shipped checkpoint."""
