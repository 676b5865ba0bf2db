"""Mailboxes: attach, change, pause, resume, delete."""
