"""Telling people what needs them: by webhook and by e-mail."""
