"""What was measured: samples folded into histograms, intervals that merge, and what they say. No clock, no I/O."""

import os

# numpy counts here and multiplies no matrices: the threads that its BLAS would start, one a CPU, cost 70 ms of CPU at
# the start of the command, and would be there when the workers are forked. Whoever wants them sets the variable.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
