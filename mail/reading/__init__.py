"""Mail read: from raw bytes to the message, whatever they are."""
