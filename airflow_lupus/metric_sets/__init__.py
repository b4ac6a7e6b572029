"""What users write to say what to measure: a file for each family of metrics."""
