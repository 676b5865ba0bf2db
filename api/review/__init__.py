"""What waits for a person: mails under review, and mails in quarantine."""
