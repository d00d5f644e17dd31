//! LoRA training: recipe, loop, checkpoints, monitoring.
