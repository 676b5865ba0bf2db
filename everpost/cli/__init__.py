"""The `everpost` command: one module for each of its groups."""
