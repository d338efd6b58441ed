"""Admission in process: changes an object on its way in, or refuses it. One plugin per file in `plugins`."""
