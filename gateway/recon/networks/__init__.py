"""Neural networks: plain modules whose parameters bear the names that published weights have; physics is elsewhere."""
