//! Text from a model: sampling, streaming, grammar-constrained output.
