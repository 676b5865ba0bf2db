"""Everything in one terminal: the processes of an instance, kept alive and ended together."""
