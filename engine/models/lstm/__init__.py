"""The LSTM: settings (no torch) and network."""
