"""Who asks (authentication) and what they may (authorisation)."""
