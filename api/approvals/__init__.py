"""Drafts that wait for a person: what the links in approval mails lead to."""
