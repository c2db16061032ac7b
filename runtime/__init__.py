"""What both stages need to run work: schedulers, execution, files, the terminal."""
