"""What tests use in place of the world: real implementations, small, and in the tests' hands."""
