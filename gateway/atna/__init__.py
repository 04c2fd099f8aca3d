"""Audit messages as PS3.15 Annex A has them, and their way to a record repository (IHE ATNA, ITI-20)."""
