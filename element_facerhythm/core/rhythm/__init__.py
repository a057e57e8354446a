"""Rhythms in time: amplitude, phase and frequency in every frame, and the bouts in which a rhythm is strong."""
