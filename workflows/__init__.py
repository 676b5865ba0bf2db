"""Thin, deterministic drivers of the core: a case, a mailbox's watch, a tenant's deliveries."""
