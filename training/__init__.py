"""Work that runs: configuration, runs and their processes, evaluation, figures and the command line."""
