"""Measurements, and the fitting of small weights; none of it is part of the package."""
