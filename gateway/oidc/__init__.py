"""OpenID Connect: an identity provider vouches for people; knows nothing of accounts, sessions and pages."""
