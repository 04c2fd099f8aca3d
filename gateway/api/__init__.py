"""The API: what the page can do, for programs that come with a token."""
