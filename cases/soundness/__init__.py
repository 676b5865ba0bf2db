"""Whether a net can always come to its end, and the shortest way to where it can't."""
