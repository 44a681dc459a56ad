"""What runs on each node: the process that conducts its workers, as the head says."""
