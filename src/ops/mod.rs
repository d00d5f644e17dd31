//! Fused operators on tensors: forward and backward beside each other.
