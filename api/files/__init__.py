"""Files: upload one for a mail to carry, download one that a mail brought."""
