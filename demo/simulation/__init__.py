"""A simulated storefront: its customers' hidden minds, what they do, how it is told, and what the system made of it."""
