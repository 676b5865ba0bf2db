"""The two ledgers: what came in, what goes out, what waits for a person."""
