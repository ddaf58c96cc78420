"""The multi-layer perceptron on one-hot tokens: settings (no torch) and network."""
