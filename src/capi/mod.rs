//! The C ABI and nothing else: decode the arguments, call, encode the result.
