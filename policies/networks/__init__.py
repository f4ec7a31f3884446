"""Networks: ensembles of MLPs and of small CNNs."""
