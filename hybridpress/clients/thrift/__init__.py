"""The Thrift client, on thriftpy2: its IDL parser, its types and its compiled binary protocol.

Nothing of thriftpy2 is loaded before a scenario asks for a client: import `client` or `codec` for that.
"""
