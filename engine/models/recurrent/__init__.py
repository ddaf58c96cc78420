"""What recurrent networks share: layers, initial values and the residual stack of Mamba."""
