"""What learns: network, losses, augmentation, the loop and its checkpoints. Importing this imports torch."""
