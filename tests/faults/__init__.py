"""Faults at random moments under load, and what must hold after each: `make faults N=1000`.

No commit that was told is lost, and none is half there; every answer has its audit record and the
chain is whole; nobody saw a row they may not; and everybody works on without doing anything.
`GOVDATA_FAULT_LOOPS` sets how many faults, `GOVDATA_FUZZ_SEED` the number that draws them.
"""
