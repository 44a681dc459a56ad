"""What is measured against what is known: real runs against servers whose answers follow from arithmetic."""
