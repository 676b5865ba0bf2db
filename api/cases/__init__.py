"""Cases: start, find, read, give events, cancel."""
