"""Benchmarks of the product as processes, each beside its measure in the same run."""
