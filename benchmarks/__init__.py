"""Side-by-side measurements: the gateway and its peers, in turn, on the same application.

Only ratios leave this package as claims. Absolute figures belong to one machine and one day; they
are in the JSON beside everything needed to read them.
"""
