"""What was measured: samples folded into histograms, intervals that merge, and what they say. No clock, no I/O."""
