"""What tests need beside the code: real servers, free ports, a watch over processes."""
