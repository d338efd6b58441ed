"""Service accounts at the API's door: their tokens issued on request (serviceaccounts/token) and authenticated."""
