"""What `press()` speaks through. A client times each of its exchanges as a step and knows nothing else of the run."""
