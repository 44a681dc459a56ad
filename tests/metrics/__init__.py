"""What was measured: tables for facts, laws for everything that adds up."""
