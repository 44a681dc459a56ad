"""What load is wanted: rates, arrivals, and who starts which iteration when. Arithmetic only: no clock, no I/O."""
