"""What tells a person or another program how a run goes and went. Reads Interval and Result; measures nothing."""
