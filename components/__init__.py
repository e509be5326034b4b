"""The platform's components: each takes contracts and gives contracts; none knows a sibling."""
