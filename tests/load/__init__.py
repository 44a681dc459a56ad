"""What load is wanted: arithmetic, told by tables and laws."""
