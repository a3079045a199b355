"""What Lighthouse makes of the page: `python -m bench lighthouse`."""
