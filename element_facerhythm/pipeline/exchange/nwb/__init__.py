"""Everything of one recording in an NWB file of its session, beside what else that file holds.

`session.write_session` writes it; the other modules make the parts. pynwb is imported by them, and they are
imported where a file is to be written alone.
"""
