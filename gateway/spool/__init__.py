"""Recordings: the MRD stream byte for byte, sealed. Knows nothing of its content, of jobs or of torch."""
