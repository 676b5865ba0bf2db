"""The intake ledger: every mail that a server lists ends as exactly one thing."""
