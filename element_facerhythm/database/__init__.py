"""Reaching a database: its connection, the creation of tables, columns and keys."""
