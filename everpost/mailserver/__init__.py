"""The demo mail server: SMTP in, IMAP out, a few fixed users, everything in one folder.

`python -m everpost.mailserver --home DIR` runs it. It stands in for a company's mail server in
the embedded run; it relays nothing to the outside and is no server for real mail.
"""
