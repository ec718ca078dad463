"""What a request, an engine, a price and a rule are: no I/O, no Discord."""
