"""What every HTTP process shares: the app, the door that commits, keys, errors, pages, health."""
