"""What users write: jobs, their options, and how they are packed for the way."""
