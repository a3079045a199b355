"""What the page decides without a document."""
