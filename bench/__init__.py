"""Figures that the documents quote, each from one command that anyone can run: see bench/README.md."""
