"""What workflows may ask for: thin, repeatable, each with its timeouts beside it."""
