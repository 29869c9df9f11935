"""The forwarder: a process of its own that reads spools and streams them to a server."""
