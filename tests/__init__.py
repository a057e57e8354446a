"""Tests; a package by name, because some installed package brings a `tests` of its own."""
