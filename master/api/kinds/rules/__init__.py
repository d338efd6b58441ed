"""Rules that several kinds share: field errors, names, labels, metadata, selectors. Pure; called by the kinds' files."""
