"""The hops of `python -m ops smoke`: what is asked on the way of a trace, and why it stopped."""
