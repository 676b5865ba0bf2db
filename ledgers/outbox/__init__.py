"""The outbox: what goes out is frozen first, and nothing is sent twice unnoticed."""
