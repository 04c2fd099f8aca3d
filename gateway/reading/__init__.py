"""Blinded reading: in which order images are shown, and what the scores say. It knows no database and no images."""
