"""The sync server and the static site."""
