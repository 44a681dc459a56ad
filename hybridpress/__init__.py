"""hybridpress: a stress tester for servers, with scenarios in async Python."""

__version__ = "0.1.0"
