"""Which recipe and which destinations a scan gets, and why."""
