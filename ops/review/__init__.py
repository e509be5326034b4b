"""What a change of the program or of its settings does to each stack, for a reviewer."""
