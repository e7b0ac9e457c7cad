"""Measurements, and the fitting of small weights; none of it is part of the package."""

from inpaint.filling.threads import wait_asleep

wait_asleep()  # as the product's doors do, before any benchmark imports torch
