"""What the page decides without a document: windows, words and counts."""
