"""Readouts to images; torch lives here."""

import os

# Torch and its threads read these once, when they are loaded. Huge pages halve the time of whatever touches memory for
# the first time. Threads that wait by spinning make everything ten times slower as soon as cores are shared; threads
# that sleep at once are woken some ten thousand times in one image. So they spin for a tenth of a millisecond.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
