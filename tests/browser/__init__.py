"""End-to-end tests: the real page, in real Chromium, against a real server process."""
