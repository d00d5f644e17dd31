//! PEFT adapters: configuration, tensors, files, stacking and merging.
