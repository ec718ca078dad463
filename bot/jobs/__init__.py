"""The durable core: jobs, their submissions, and the worker that runs them."""
