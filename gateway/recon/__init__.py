"""Readouts to images; torch lives here."""

import os

# Torch reads this when it first allocates: huge pages halve the time of whatever touches memory for the first time.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
