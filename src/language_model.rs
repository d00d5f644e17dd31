//! A base model as one thing: decoder, tokenizer and chat template, loaded from a Hugging Face directory.
