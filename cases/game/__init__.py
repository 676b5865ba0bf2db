"""The token game: what one step does to a working copy of a case's state."""
