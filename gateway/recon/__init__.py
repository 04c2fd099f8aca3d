"""Readouts to images; torch lives here."""
