"""Mailboxes and their watches: how mail is listened for and read, and whether that is well."""
