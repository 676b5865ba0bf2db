"""What happens next in a case, and why something does not."""
