"""Markers of a run (memorised, onset, grokked, collapsed) and its phase in plain words."""

from engine.measures.onset.detector import NAME, Kind, Marker, OnsetDetector, detect
from engine.measures.onset.phase import phase
from engine.measures.onset.thresholds import Thresholds

__all__ = ["NAME", "Kind", "Marker", "OnsetDetector", "Thresholds", "detect", "phase"]
