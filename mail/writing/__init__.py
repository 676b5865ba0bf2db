"""Mail written: templates, and outgoing mails as bytes."""
