"""What cases need of the store: their events, records, sub-cases and definitions."""
