"""The two documents that the example stacks reproduce, as data: one row for each value."""
