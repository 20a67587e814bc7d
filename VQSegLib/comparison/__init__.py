"""Fair comparison of methods: the same cases, budget, network and selection for every row of a table."""
