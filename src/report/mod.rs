//! JSON reports whose conclusions carry a confidence and a source.
