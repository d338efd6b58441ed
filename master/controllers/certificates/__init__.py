"""Parts of the controllers of CertificateSigningRequests."""
