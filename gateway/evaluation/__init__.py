"""How good recipes are on scans whose truth is known; what says so is a number with a source."""
