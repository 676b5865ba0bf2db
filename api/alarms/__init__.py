"""Alarms: what keeps mailboxes from doing their work."""
