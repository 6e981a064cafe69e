"""Training of the autoencoder, or of any Keras model: in one process, in step, or by Downpour SGD."""

from dca.train.distribute import Trained, distribute
from dca.train.run import train
from dca.train.settings import TrainSettings

__all__ = ["TrainSettings", "Trained", "distribute", "train"]
