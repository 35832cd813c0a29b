//! Of the relay, what follows from the store alone.

mod resolver;

pub use resolver::Resolver;
