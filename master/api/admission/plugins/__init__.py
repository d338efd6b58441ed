"""One admission plugin per file; see `master.api.admission.protocol`."""
