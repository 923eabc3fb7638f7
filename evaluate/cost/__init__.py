"""Cost of systems: multiplications, weights, CPU seconds, bytes and prices, and which widths are worth their price.

In: a call that encodes, widths, rates.  Out: work, prices, the Pareto front.
Begin at `prices`; `work` counts what a call computes.
"""
