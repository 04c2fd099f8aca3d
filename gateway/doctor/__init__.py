"""The doctor: looks a site over before it goes live, and says what to do about each finding. It changes nothing."""
