//! A CSV of `input,output` as checked rows and training examples.
