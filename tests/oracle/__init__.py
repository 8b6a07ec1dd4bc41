"""What the product must mean, written down a second time, to be read rather than to be fast.

`predicate` is the meaning of a compiled condition, `policy` that of the policies themselves and of
masks. Nothing here uses the product's own readers, engine or compiler.
"""
