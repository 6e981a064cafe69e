"""DCA: deep convolutional-autoencoder features and brain networks from task fMRI."""

__version__ = "0.1.0"
