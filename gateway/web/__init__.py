"""The page: what arrives, what waits, what went out."""
