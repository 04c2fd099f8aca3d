"""The state of every scan, job and delivery in SQL, and the loop that works on it."""
