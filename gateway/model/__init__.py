"""The words that all stations share; no I/O, no clock, no torch, no SQL, no pydicom."""
