"""Real servers for tests, benchmarks and the kill test."""
