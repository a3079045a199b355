"""How soon the page takes input: Driftline against a minimal page of stock PyScript."""
