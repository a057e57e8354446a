"""Arithmetic on arrays: no file, no clock, no database; every function can be used alone."""
