"""Rhythms in time: amplitude, phase and frequency in every frame, and bouts, in which a rhythm is strong."""
