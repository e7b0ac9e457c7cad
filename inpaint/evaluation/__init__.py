"""How good a fill is: metrics, fixed cases, intervals, reports, comparisons and timings."""
