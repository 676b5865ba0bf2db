"""The whole product as processes, for tests, the kill test and benchmarks."""
